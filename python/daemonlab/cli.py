"""The command line.

Exit codes: 0 all is well, 1 a check failed or a subject could not be built, 2 usage.
"""

import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from rich.console import Console

from daemonlab import (
    course,
    coursecheck,
    courseruns,
    desk,
    doctor,
    fault,
    hints,
    loop,
    policy,
    predict,
    questions,
    report,
    skeleton,
    standing,
    subjects,
    wings,
    workfile,
)
from daemonlab import watch as watching
from daemonlab.ending import leave
from daemonlab.environment import ENVIRONMENTS
from daemonlab.explain import relative
from daemonlab.house import LABS, PORT, ROOT, C
from daemonlab.judge import Result, run_lab
from daemonlab.launch import LaunchError
from daemonlab.loop import Broken, Regression
from daemonlab.mutants import MutantError
from daemonlab.observe import ProcessGone, snapshot
from daemonlab.outlet import open_outlet, reader_has_left
from daemonlab.page import Lines, Page
from daemonlab.parallel import WorkerLost
from daemonlab.perform import perform
from daemonlab.progress import Progress, ProgressError, recorded
from daemonlab.refusal import refused
from daemonlab.saves import WatchError
from daemonlab.scenarios import of_any
from daemonlab.schedule import data as schedule_data
from daemonlab.schedule import print_schedule
from daemonlab.show import print_any, print_snapshot
from daemonlab.text import printable

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _console() -> Console:
    """80 columns where there is no terminal; NO_COLOR and TERM=dumb are heeded by rich."""
    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(columns) if columns.isdecimal() else 80
    return Console(width=width, highlight=False, emoji=False)


class _Failed(click.ClickException):
    """Something that was asked for could not be done: exit code 1."""

    exit_code = 1


class _Usage(click.ClickException):
    """What was asked for does not exist: exit code 2."""

    exit_code = 2


def _named(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


class _InWords(click.Group):
    """What the laboratory could not do is told in a line, not in a traceback."""

    def invoke(self, context: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(context)
        except (LaunchError, WorkerLost, skeleton.SkeletonError) as error:
            raise _Failed(str(error)) from error
        except OSError as error:
            raise _Failed(refused(f"the laboratory cannot go on{_named(error)}", error)) from error


@click.group(cls=_InWords, context_settings=_SETTINGS)
@click.version_option(package_name="daemonlab")
def main() -> None:
    """Start daemons, observe them from outside, and judge what the kernel says about them."""
    open_outlet()
    for number in (signal.SIGTERM, signal.SIGHUP):  # as for Ctrl-C: leave nothing behind
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)


def _policy() -> policy.Policy:
    """What the instructor's course.toml says."""
    try:
        return policy.load(course.labs())
    except policy.PolicyError as error:
        raise _Usage(str(error)) from error


def _labs() -> tuple[course.Lab, ...]:
    """The labs that belong to this course."""
    chosen = _policy().labs
    return tuple(lab for lab in course.labs() if lab.number in chosen)


def _lab(number: int) -> course.Lab:
    try:
        this = course.lab(number)
    except course.CourseError as error:
        raise _Usage(str(error)) from error
    if number not in (chosen := _policy().labs):
        shown = ", ".join(map(str, chosen))
        raise _Usage(f"lab {number} is not part of this course: course.toml names labs {shown}")
    return this


def _reference() -> tuple[subjects.Subject, ...]:
    try:
        return subjects.reference()
    except subjects.BuildError as error:
        lines = "\n".join(wings.remedy())
        raise _Failed(f"the reference in c/src does not compile:\n{error}\n\n{lines}") from error


def _mine(
    labs: Sequence[course.Lab], only: str | None = None
) -> tuple[list[subjects.Subject], list[Broken]]:
    """The student's subjects, and what kept others from being built; in one language only, if one
    is named."""
    languages = [one for one in _policy().to_do if only in (None, one)]
    return loop.mine(labs, languages)


@dataclass(frozen=True, slots=True)
class _Screen:
    """Where results are shown: in a table, or one line a row; nowhere, when data was asked for."""

    plain: bool
    as_json: bool
    console: Console = field(default_factory=_console)
    terms: policy.Policy = field(default_factory=_policy)
    lines: int = 0
    """How many there is room for; 0 for any number."""

    def line(self, text: str = "", style: str = "") -> None:
        """One line of ours."""
        if not self.as_json and (text or not self.plain):
            self.console.print(text, style=style, markup=False, soft_wrap=self.plain)

    def results(self, results: Sequence[Result]) -> None:
        """One lab."""
        if not self.as_json and self.plain:
            for text in report.plain_results(results, self.terms.shows):
                self.line(text)
        elif not self.as_json:
            report.print_results(self.console, results, self.terms.shows, self.lines)

    def failure(self, result: Result) -> None:
        """The first failing check of one subject."""
        if not self.as_json and self.plain:
            for text in report.plain_failure(result, self.terms.shows):
                self.line(text)
        elif not self.as_json:
            report.print_failure(self.console, result, self.terms.shows)

    def broken(self, broken: Sequence[Broken]) -> None:
        """Modules that could not be built."""
        for one in broken:
            head, *said = one.text.splitlines()
            self.line(head, style="bold red")
            for text in said:
                self.line(text)
            self.line()
            self.line(one.mend)

    def whole(self, results: Sequence[Result]) -> None:
        """A line a lab, then the first failure of each subject."""
        for text in report.overview(results, self.plain):
            self.line(text)
        for subject in dict.fromkeys(result.subject.name for result in results):
            failed = [one for one in results if one.subject.name == subject and not one.passed]
            for result in failed[:1]:
                self.failure(result)

    def beside(self, results: Sequence[Result]) -> None:
        """A line each of what could be built, where something could not: no table pushes that off
        the screen."""
        for result in results:
            self.line(report.in_a_line(result, self.plain))
            self.line()


_PLAIN = click.option(
    "--plain", is_flag=True, help="No boxes, one line a row, words for signs: for screen readers."
)


def _noted(
    this: course.Lab, results: Sequence[Result], broken: Sequence[Broken]
) -> Progress | None:
    """The student's progress, with this run in it. The results count more than the book-keeping:
    what is wrong with its file is told, and that is all."""
    try:
        return loop.note(this, results, broken)
    except ProgressError as error:
        click.echo(f"daemonlab: this run was not noted: {error}", err=True)
        return None


def _look_back(
    screen: _Screen, this: course.Lab, results: Sequence[Result], progress: Progress
) -> Iterator[Regression]:
    """Run the earlier labs that were green, in each language in which this one starts."""
    for result in results:
        language = loop.language_of(result)
        green = loop.green_before(this, language, progress, _labs()) if language else []
        if not language or not green:
            continue
        title, numbers = result.subject.title, ", ".join(str(lab.number) for lab in green)
        screen.line()
        if not result.started:
            screen.line(f"{title}: what was green (lab {numbers}) is run again once this starts.")
            continue
        screen.line(f"{title}: now what was green, together with this lab: lab {numbers}")
        try:
            for back in loop.regressions(this, language, green):
                screen.line(f"{'✓' if back.result.passed else '✗'} {back.words}")
                screen.failure(back.result)
                yield back
        except subjects.BuildError as error:
            lines = "\n".join(map(printable, str(error).splitlines()))
            raise _Failed(f"your modules do not go together:\n{lines}") from error


def _say_next(
    screen: _Screen, this: course.Lab, results: Sequence[Result], progress: Progress
) -> None:
    """What comes after a lab that is green."""
    done = [one for one in loop.NAMES if progress.entry(this.number, one).green]
    if said := report.beyond(results, _labs(), screen.terms.to_do, done):
        screen.line()
        screen.line(said, style="green")


_BELOW = 7
"""Lines that `make watch` has below what a run says."""


def _room() -> int:
    """How many lines of the screen of `make watch` there are for results; 0: any number."""
    lines = os.environ.get("LINES", "")
    return max(1, int(lines) - _BELOW) if lines.isdecimal() else 0


@main.command()
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print everything observed, as JSON.")
@_PLAIN
@click.option("--alone", is_flag=True, help="Do not run the earlier labs that were green.")
@click.option(
    "--language", type=click.Choice(course.LANGUAGES), help="Only the reference's and yours in it."
)
@click.option("--in-watch", is_flag=True, hidden=True, help="It says itself what comes next.")
def lab(
    number: int, as_json: bool, plain: bool, alone: bool, language: str | None, in_watch: bool
) -> None:
    """Run lab NUMBER: the C reference, the Python port and your own module, side by side.

    Your module takes part once you have begun with it: open labs/NN-*/ to see what is to be done.
    When it starts, your earlier labs that were green are run again, all of your modules in one
    daemon: what your change has broken there is said. How it went is noted in progress.toml; what
    a launch that failed has printed and logged is kept in build/last.

    Exits with 0 when every check passed, or when you have not begun; with 1 when one failed.
    """
    this = _lab(number)
    screen = _Screen(plain, as_json, lines=_room() if in_watch else 0)
    mine, broken = _mine([this], language)
    reference = [one for one in _reference() if language in (None, one.name)]
    those = mine if broken and not as_json else [*reference, *mine]
    results = run_lab(this, those) if those else []
    loop.keep(results)
    results, broken = loop.imported(results, broken)
    if broken:
        screen.beside([result for result in results if loop.language_of(result)])
        screen.broken(broken)
    else:
        screen.results(results)
    if not mine and not broken:
        screen.line()
        for text in report.begin(this, [language] if language else screen.terms.to_do):
            screen.line(text)
    progress = _noted(this, results, broken)
    back = []
    if progress and not alone and not broken:
        back = [*_look_back(screen, this, results, progress)]
    if as_json:
        click.echo(report.as_json(report.data(results, broken, back)))
    if wrong := wings.fault(results):
        screen.line()
        for text in wrong:
            screen.line(text, style="bold red")
    passed = all(result.passed for result in (*results, *(one.result for one in back)))
    if passed and progress and not broken and not in_watch:
        _say_next(screen, this, results, progress)
    sys.exit(0 if passed and not broken else 1)


@main.command()
@click.argument("number", type=int, required=False)
@click.option("--language", type=click.Choice(course.LANGUAGES), help="Watch these files alone.")
@_PLAIN
def watch(number: int | None, language: str | None, plain: bool) -> None:
    """Run a lab again each time you save your file; keys do the rest.

    It is lab NUMBER, else that of the file you saved last, else the first that is not green. It
    never goes on to the next lab by itself. Without a terminal to read keys from, end it by Ctrl-C.
    """
    to_do = _policy().to_do
    if language and language not in to_do:
        raise _Usage(f"--language {language}: course.toml has {' and '.join(to_do)} to do")
    this = _lab(number) if number is not None else None
    chosen = watching.Choice(this, language, to_do)
    try:
        code = watching.watch(
            _console(),
            _labs(),
            chosen,
            desk.Desk(plain),
            plain=plain,
        )
    except (WatchError, ProgressError, course.CourseError) as error:
        raise _Failed(str(error)) from error
    sys.exit(code)


@main.command("labs", hidden=True)
def numbers() -> None:
    """Print the numbers of the labs that belong to this course: for make labs."""
    click.echo(" ".join(str(lab.number) for lab in _labs()))


def _whole(labs: Sequence[course.Lab], those: Sequence[subjects.Subject]) -> list[Result]:
    """Every lab with each subject, up to the first in which it does not start: it would not in
    those that come after it, either, and take its time to say so."""
    results: list[Result] = []
    for this in labs:
        stuck = {result.subject.name for result in results if not result.started}
        if going := [subject for subject in those if subject.name not in stuck]:
            results += run_lab(this, going)
    return results


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything observed, as JSON.")
@_PLAIN
def mine(as_json: bool, plain: bool) -> None:
    """Run every lab with all of your modules at once: your own daemon, whole.

    Modules that you have not begun with are the reference's, and are called so. One line a lab;
    then the first failure.
    """
    screen = _Screen(plain, as_json)
    labs = _labs()
    built, broken = _mine(labs)
    if not built and not broken:
        click.echo("You have not begun with any lab yet: make lab-1 says how.")
        return
    _reference()
    results = _whole(labs, [replace(one, title=loop.WHOLE[one.name]) for one in built])
    loop.keep(results)
    screen.whole(results)
    for result in results:
        if not result.started and result.lab is not labs[-1]:
            screen.line()
            screen.line(f"{result.subject.title} does not start: no later lab was run with it.")
    screen.broken(broken)
    if as_json:
        click.echo(report.as_json(report.data(results, broken)))
    sys.exit(0 if not broken and all(result.passed for result in results) else 1)


_LANGUAGE = click.option(
    "--language", type=click.Choice(list(loop.SUFFIXES)), help="Which of your two modules."
)


@main.command()
@click.argument("number", type=int)
@click.option(
    "--check",
    help='Help with this check, by its title in the table or its id: --check "session leader".',
)
@_LANGUAGE
@click.option("--again", is_flag=True, help="Show what was shown already; counts nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the hint as JSON.")
@_PLAIN
def hint(
    number: int, check: str | None, language: str | None, again: bool, as_json: bool, plain: bool
) -> None:
    """Show the next hint for the first check that failed in your last run of lab NUMBER.

    There are three for each check: a question, a pointer, a recipe. What was shown is counted in
    progress.toml. The language is that of your last run.

    \b
    make hint-1
    make hint-1 ARGS='--check "session leader"'
    """
    this = _lab(number)
    try:
        with recorded() if not again else nullcontext(Progress.load()) as progress:
            language = hints.language_of(this, progress, language, check, _policy().to_do)
            shown = hints.next_hint(this, progress, language, check, again)
    except hints.HintError as error:
        raise _Usage(str(error)) from error
    except (ProgressError, course.CourseError) as error:
        raise _Failed(str(error)) from error
    if as_json:
        click.echo(report.as_json(hints.data(shown)))
        return
    for line in hints.lines(shown, plain, _policy()):
        click.echo(line)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@_PLAIN
def progress(as_json: bool, plain: bool) -> None:
    """Show how far you are: every lab of the course, points, runs, hints, times.

    All of it is in progress.toml, a plain file that you may read, commit and carry along.
    """
    try:
        labs, known = course.labs(), Progress.load()
    except (ProgressError, course.CourseError) as error:
        raise _Failed(str(error)) from error
    if as_json:
        click.echo(report.as_json(standing.data(labs, known, _policy())))
    elif plain:
        for line in standing.plain(labs, known, _policy()):
            click.echo(line)
    else:
        standing.show(_console(), labs, known, _policy())


@main.command()
@click.argument("number", type=int)
@_LANGUAGE
def reset(number: int, language: str | None) -> None:
    """Bring the skeleton of lab NUMBER back, and keep your file aside as NAME.c.1, .2 and so on.

    Nothing is overwritten. Without --language it is the one that you have begun with.
    """
    this = _lab(number)
    changed = [one for one in loop.SUFFIXES if loop.changed(this, one)]
    if language is None and len(changed) > 1:
        raise _Usage(
            "neither of your two files is the skeleton: say which one, by\n"
            + "\n".join(f"  {loop.reset_command(this, one)}" for one in changed)
        )
    for one in [language] if language else changed or loop.SUFFIXES:
        try:
            click.echo(workfile.reset(this, one))
        except workfile.WorkfileError as error:
            raise _Failed(str(error)) from error


@main.command()
@click.argument("number", type=int)
@_PLAIN
def start(number: int, plain: bool) -> None:
    """Begin at lab NUMBER, with all earlier ones solved: say what to read, open and write.

    Your module always runs in a daemon whose other modules are the reference's, so nothing of
    yours has to be there for the earlier labs. A skeleton that is missing is put in its place;
    nothing else is changed.
    """
    this = _lab(number)
    try:
        for line in workfile.start(this, _policy()):
            if line or not plain:
                click.echo(line)
    except workfile.WorkfileError as error:
        raise _Failed(str(error)) from error


# --- predict, and find the fault ---

_SUBJECT = click.option(
    "--language",
    type=click.Choice(course.LANGUAGES),
    default="c",
    show_default=True,
    help="Which of the two daemons runs.",
)


@contextmanager
def _stopped(page: Page, text: str) -> Iterator[None]:
    """Ctrl-C ends a dialogue: say what that means, in a line of its own."""
    try:
        yield
    except KeyboardInterrupt:
        page.say()
        page.say(text)
        sys.exit(128 + signal.SIGINT)


def _reference_in(language: str) -> subjects.Subject:
    return next(subject for subject in _reference() if subject.name == language)


@main.command("predict")
@click.argument("number", type=int)
@_SUBJECT
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask nothing: take the answers from this file, TOML or one a line.",
)
@click.option("--paper", is_flag=True, help="Print the questions for paper, and the answers after.")
@click.option("--json", "as_json", is_flag=True, help="Print the grades as JSON.")
@_PLAIN
def predict_command(
    number: int, language: str, answers: Path | None, paper: bool, as_json: bool, plain: bool
) -> None:
    """Ask what the kernel will say of the daemon of lab NUMBER, run the reference, and grade.

    The end of the input, or q, ends the questions: what was answered is graded. A wrong prediction
    is no failure: the exit code is 0.
    """
    if paper and (answers or as_json):
        raise _Usage("--paper has the answers on its second page: no --answers, no --json with it")
    page = Page(_console(), plain)
    try:
        quiz = questions.quiz(_lab(number))
        given = predict.read_answers(answers, quiz) if answers else None
    except (course.CourseError, predict.AnswersError) as error:
        raise _Usage(str(error)) from error
    subject = _reference_in(language)
    title = f'{subject.title}, environment "{quiz.scenario.environment.name}"'
    if given is None and not paper:  # what is data must stand alone on standard output
        asking = (
            Page(Console(stderr=True, highlight=False, emoji=False), plain) if as_json else page
        )
        with _stopped(asking, f"Stopped: nothing was run. make predict-{number} asks again."):
            given = predict.ask(asking, Lines(), quiz)
        if not given and not as_json:
            page.say("Nothing was predicted, so nothing was run.")
            return
    record = predict.observe(quiz, subject)
    grades = predict.grade(quiz, given or {}, record)
    if as_json:
        click.echo(report.as_json(predict.data(quiz, language, grades)))
    elif paper:
        predict.print_paper(page, quiz, title, grades)
    else:
        predict.print_grades(page, quiz, title, grades)


@main.command("fault")
@click.option("--lab", "number", type=int, help="A fault of this lab; any, if it is not given.")
@click.option("--seed", type=click.IntRange(0), help="The same number has the same fault.")
@_SUBJECT
@click.option("--answer", "given", metavar="ID", help="Ask nothing: judge this answer.")
@_PLAIN
def fault_command(
    number: int | None, seed: int | None, language: str, given: str | None, plain: bool
) -> None:
    """Start a daemon with one fault, tell its PID alone, and let you find what is wrong.

    It runs until you have answered, on your machine like any other: look at it from a second
    terminal. With --answer the exit code is 1 if that is not the fault.
    """
    page = Page(_console(), plain)
    seed = random.randrange(10**6) if seed is None else seed
    labs = _labs() if number is None else (_lab(number),)
    try:
        chosen = fault.choose(labs, number, seed, language)
        check = fault.understand(given, chosen.lab.checks) if given is not None else None
        if given is not None and check is None:
            raise _Usage(f"lab {chosen.lab.number} has no check {given!r}, or more than one")
        reference = _reference_in(language)
        same = f"--seed {seed} --language {language}"
        same += "" if number is None else f" --lab {number}"
        with _stopped(page, "Stopped: the daemon has been ended; nothing of it is left."):
            found = _search(page, chosen, reference, same, check)
    except fault.FaultError as error:
        raise _Usage(str(error)) from error
    except (MutantError, subjects.BuildError) as error:
        raise _Failed(f"the fault cannot be planted:\n{error}") from error
    sys.exit(0 if found else 1)


def _search(
    page: Page,
    chosen: fault.Fault,
    reference: subjects.Subject,
    same: str,
    check: course.CheckInfo | None,
) -> bool:
    """Plant the fault and take answers; whether the one that was given beforehand is right."""
    built, lines = chosen.build(), Lines()
    while True:
        with fault.planted(chosen, built) as there:
            if check is not None:
                right = fault.answer(page, there, check)
                fault.print_fault(page, there, reference)
                return right
            fault.print_head(page, there, same)
            end = fault.hunt(page, lines, there)
            if end in (fault.End.FOUND, fault.End.GIVEN_UP):
                fault.print_fault(page, there, reference)
                fault.look_again(page, lines, there)
        if end is not fault.End.AGAIN:
            page.say()
            page.say("The daemon has been ended; nothing of it is left.")
            return True


@main.command()
@click.argument("pids", type=int, nargs=-1, required=True, metavar="PID...")
@click.option("--json", "as_json", is_flag=True, help="Print the whole snapshot, as JSON.")
def observe(pids: Sequence[int], as_json: bool) -> None:
    """Show what /proc says about running processes, without touching them.

    What the kernel refuses is shown as "not permitted": try as the process's user, or as root.
    """
    console = _console()
    missing = False
    for pid in pids:
        try:
            seen = snapshot(pid)
        except (ProcessGone, PermissionError) as error:
            click.echo(f"daemonlab: {pid}: {error}", err=True)
            missing = True
            continue
        if as_json:
            click.echo(report.as_json(seen))
        else:
            print_snapshot(console, seen)
    sys.exit(1 if missing else 0)


@main.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--environment",
    type=click.Choice(list(ENVIRONMENTS)),
    default="hostile",
    show_default=True,
    help="What the command is born into.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    help="Seconds after which a command that has not returned is taken for a foreground service.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything observed, as JSON.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(environment: str, wait: float, as_json: bool, command: Sequence[str]) -> None:
    """Launch any COMMAND as a shell would, show its daemon's state, log out, end it with SIGTERM.

    The checks are those of labs 1 to 3; nothing is asked of the command's cooperation. When this
    ends, no process of it is left.

    \b
    daemonlab run -- redis-server --daemonize yes --port 6390 --save ""
    daemonlab run --environment friendly -- sh -c 'setsid sleep 60 &'
    """
    if shutil.which(command[0], path=ENVIRONMENTS[environment].variables.get("PATH")) is None:
        raise _Usage(f"{command[0]}: no such program; name it by its whole path")
    program = os.path.abspath(command[0]) if os.sep in command[0] else command[0]
    line = (program, *command[1:])  # it is started in another directory
    record = perform(lambda configuration: line, of_any(ENVIRONMENTS[environment]), start_time=wait)
    if as_json:
        click.echo(report.as_json(record))
        return
    print_any(_console(), record)


@main.command()
@click.option("--check", is_flag=True, help="Only say which are stale; exit with 1 if any is.")
@click.option("--force", is_flag=True, help="Also overwrite files that someone has begun with.")
def skeletons(check: bool, force: bool) -> None:
    """Derive the skeletons in labs/ from the reference."""
    source = (LABS, C / "src", PORT)
    try:
        if check:
            for line in (stale := skeleton.stale(*source)):
                click.echo(line)
            sys.exit(1 if stale else 0)
        for path in skeleton.write(*source, force=force):
            click.echo(relative(path))
    except skeleton.SkeletonError as error:
        raise _Failed(str(error)) from error


_PROOFS = (*coursecheck.WHOLE, *coursecheck.READ, *courseruns.RUNS)


def _numbers(context: click.Context, option: click.Parameter, value: str) -> list[course.Lab]:
    """The labs that "1,3-5" names; all for nothing."""
    try:
        there = {lab.number: lab for lab in course.labs()}
        return [there[number] for number in coursecheck.numbers(value, there)]
    except course.CourseError as error:
        raise _Failed(str(error)) from error
    except ValueError as error:
        raise _Usage(str(error)) from error


@main.command()
@click.option("--labs", callback=_numbers, default="", help="Only these, such as 1,3-5.")
@click.option(
    "--times",
    type=click.IntRange(0, 1000),
    default=20,
    show_default=True,
    help="How many times each lab is run under load.",
)
@click.option(
    "--only",
    type=click.Choice(_PROOFS),
    multiple=True,
    help="Only this proof; may be given several times.",
)
@click.option("--without", type=click.Choice(_PROOFS), multiple=True, help="Leave this proof out.")
@click.option("--json", "as_json", is_flag=True, help="Print every proof, as JSON.")
@_PLAIN
def check_course(
    labs: list[course.Lab],
    times: int,
    only: Sequence[str],
    without: Sequence[str],
    as_json: bool,
    plain: bool,
) -> None:
    """Prove the course: that each lab can be done, and that each of its checks says what it should.

    The reference passes, the untouched skeleton fails as it is meant to, every mutant is killed by
    the check meant for it, every check has hints, pages and sections, no file is stray or stale,
    and no run of a lab fails while the machine is busy. Exits with 1 when one of these does not
    hold.
    """
    found = []
    wanted = [name for name in only or _PROOFS if name not in without]
    if not wanted or (wanted == ["load"] and not times):
        raise _Usage("nothing is left to be proved")
    for proof in courseruns.proofs(labs, times, wanted):
        found.append(proof)
        for line in [] if as_json else coursecheck.lines(proof, plain):
            click.echo(line)
        if reader_has_left():
            sys.exit(1)
    if as_json:
        click.echo(report.as_json(coursecheck.data(found)))
    else:
        click.echo(coursecheck.summary(found))
    sys.exit(0 if all(proof.holds for proof in found) else 1)


@main.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print everything found, as JSON.")
@_PLAIN
def examine(as_json: bool, plain: bool) -> None:
    """Say what this machine lacks for which lab, and how to bring it.

    Nothing is installed or changed. Where this command does not run yet, tools/doctor does.
    Exits with 0 when every lab that is here can run.
    """
    sys.exit(doctor.report(ROOT, as_json, plain))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the schedule and its rules, as JSON.")
@_PLAIN
def schedule(as_json: bool, plain: bool) -> None:
    """Show which lab opens when, when it is due, and what it counts.

    An instructor writes that into course.toml; without it, all labs are open at any time.
    """
    if as_json:
        click.echo(report.as_json(schedule_data(_policy(), course.labs())))
    else:
        print_schedule(_console(), _policy(), course.labs(), plain)


if __name__ == "__main__":
    main()
