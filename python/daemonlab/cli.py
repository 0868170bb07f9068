"""The command line.

Exit codes: 0 all is well, 1 a check failed or a subject could not be built, 2 usage.
"""

import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from daemonlab import course, fault, predict, questions, report, skeleton, subjects
from daemonlab.ending import leave
from daemonlab.environment import ENVIRONMENTS
from daemonlab.house import LABS, PORT, C
from daemonlab.judge import Result, run_lab
from daemonlab.launch import LaunchError
from daemonlab.mutants import MutantError
from daemonlab.observe import ProcessGone, snapshot
from daemonlab.page import Lines, Page
from daemonlab.parallel import WorkerLost
from daemonlab.perform import perform
from daemonlab.refusal import refused
from daemonlab.scenarios import of_any
from daemonlab.show import print_any, print_snapshot
from daemonlab.text import printable

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _console() -> Console:
    """80 columns where there is no terminal; NO_COLOR and TERM=dumb are heeded by rich."""
    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(columns) if columns.isdecimal() else 80
    return Console(width=width, highlight=False)


class _Failed(click.ClickException):
    """Something that was asked for could not be done: exit code 1."""

    exit_code = 1


class _Usage(click.ClickException):
    """What was asked for does not exist: exit code 2."""

    exit_code = 2


@click.group(context_settings=_SETTINGS)
@click.version_option(package_name="daemonlab")
def main() -> None:
    """Start daemons, observe them from outside, and judge what the kernel says about them."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # as for Ctrl-C: leave nothing behind
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)


def _lab(number: int) -> course.Lab:
    try:
        return course.lab(number)
    except course.CourseError as error:
        raise _Usage(str(error)) from error


def _reference() -> tuple[subjects.Subject, ...]:
    try:
        with _in_words():
            return subjects.reference()
    except subjects.BuildError as error:
        raise _Failed(f"the reference in c/src does not compile:\n{error}") from error


def _mine(labs: Sequence[course.Lab]) -> tuple[list[subjects.Subject], list[str]]:
    """The student's subjects, and what kept others from being built."""
    built, broken = [], []
    for suffix in ("c", "py"):
        begun = [lab for lab in labs if lab.skeleton(suffix) in subjects.started(lab)]
        if begun:
            try:
                with _in_words():
                    built.append(subjects.mine(begun, suffix))
            except subjects.BuildError as error:
                files = ", ".join(report.relative(lab.skeleton(suffix)) for lab in begun)
                broken.append(f"{files} does not compile:\n\n{error}")
    return built, broken


@contextmanager
def _in_words() -> Iterator[None]:
    """What the laboratory could not do is told in a line, not in a traceback."""
    try:
        yield
    except (LaunchError, WorkerLost) as error:
        raise _Failed(str(error)) from error
    except OSError as error:
        raise _Failed(refused(f"the laboratory cannot go on{_named(error)}", error)) from error


def _named(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def _judged(lab: course.Lab, those: Sequence[subjects.Subject]) -> list[Result]:
    with _in_words():
        return run_lab(lab, those)


def _finish(
    console: Console, results: Sequence[Result], broken: Sequence[str], as_json: bool
) -> None:
    if as_json:
        data = {"results": [report.result_data(result) for result in results], "broken": broken}
        click.echo(report.as_json(data))
    else:
        report.print_results(console, results)
        for text in broken:
            console.print()
            lines = map(printable, text.splitlines())
            console.print("\n".join(lines), style="bold red", markup=False)
    if broken or not all(result.passed for result in results):
        sys.exit(1)


@main.command()
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print everything observed, as JSON.")
def lab(number: int, as_json: bool) -> None:
    """Run lab NUMBER: the C reference, the Python port and your own module, side by side.

    Your module takes part once you have begun with it: open labs/NN-*/ to see what is to be done.
    Exits with 0 when every check passed, or when you have not begun; with 1 when one failed.
    """
    this = _lab(number)
    console = _console()
    mine, broken = _mine([this])
    results = _judged(this, [*_reference(), *mine])
    _finish(console, results, broken, as_json)
    if not as_json and not mine:
        report.print_begin(console, this)


def _whole(labs: Sequence[course.Lab], those: Sequence[subjects.Subject]) -> list[Result]:
    """Every lab with each subject, up to the first in which it does not start: it would not in
    those that come after it, either, and take its time to say so."""
    results: list[Result] = []
    for this in labs:
        stuck = {result.subject.name for result in results if result.hangs}
        if going := [subject for subject in those if subject.name not in stuck]:
            results += _judged(this, going)
    return results


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything observed, as JSON.")
def mine(as_json: bool) -> None:
    """Run every lab with all of your modules at once: your own daemon, whole.

    Modules that you have not begun with are the reference's.
    """
    console = _console()
    labs = course.labs()
    built, broken = _mine(labs)
    if not built and not broken:
        console.print("You have not begun with any lab yet: [bold]make lab-1[/] says how.")
        return
    _reference()
    results = _whole(labs, built)
    if as_json:
        _finish(console, results, broken, as_json)
        return
    for this in labs:
        of_this = [result for result in results if result.lab is this]
        if of_this:
            report.print_results(console, of_this)
            console.print()
    for result in results:
        if result.hangs and result.lab is not labs[-1]:
            console.print(f"{result.subject.title} does not start: no later lab was run with it.\n")
    _finish(console, (), broken, False)
    sys.exit(0 if all(result.passed for result in results) else 1)


# --- predict, and find the fault ---

_LANGUAGE = click.option(
    "--language",
    type=click.Choice(course.LANGUAGES),
    default="c",
    show_default=True,
    help="Which of the two daemons runs.",
)
_PLAIN = click.option("--plain", is_flag=True, help="One line a row, no signs: to be read aloud.")


def _reference_in(language: str) -> subjects.Subject:
    return next(subject for subject in _reference() if subject.name == language)


@main.command("predict")
@click.argument("number", type=int)
@_LANGUAGE
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
        asking = Page(Console(stderr=True, highlight=False), plain) if as_json else page
        given = predict.ask(asking, Lines(), quiz)
        if not given and not as_json:
            page.say("Nothing was predicted, so nothing was run.")
            return
    with _in_words():
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
@_LANGUAGE
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
    labs = course.labs() if number is None else (_lab(number),)
    try:
        chosen = fault.choose(labs, number, seed, language)
        check = fault.understand(given, chosen.lab.checks) if given is not None else None
        if given is not None and check is None:
            raise _Usage(f"lab {chosen.lab.number} has no check {given!r}, or more than one")
        reference = _reference_in(language)
        with _in_words():
            same = f"--seed {seed} --language {language}"
            same += "" if number is None else f" --lab {number}"
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
                fault.look_again(page, lines)
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
    with _in_words():
        record = perform(
            lambda configuration: line, of_any(ENVIRONMENTS[environment]), start_time=wait
        )
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
            click.echo(report.relative(path))
    except skeleton.SkeletonError as error:
        raise _Failed(str(error)) from error


if __name__ == "__main__":
    main()
