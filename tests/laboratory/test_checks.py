"""Each check passes on the facts of a good daemon, fails on those of a bad one, and says nothing
about what could not be looked at."""

import pytest
from daemonlab.checks import CHECKS, show
from daemonlab.configwork import ANSWERS
from daemonlab.course import CheckInfo
from daemonlab.facts import BLOCKABLE, Fact, Facts, documentation, signal_names
from daemonlab.judge import judge, judge_all
from daemonlab.logwork import UNHEARD
from daemonlab.scenarios import ANOTHER, COPIES, FORGED, NOWHERE, ROWS, WORKERS_NAMED

# How jobs end, in any scenario: what is due there is a fact as well.
JOB_ENDS = ("bad 3", "closed 4", "good 0", "killed KILL", "leaver 0", "orphan 0")

ENDED = tuple(f"ended {name}" for name in WORKERS_NAMED)
ANSWERED = tuple(
    f"{name} 78 {line}: {text.splitlines()[line - 1]}" for name, (text, line) in ANSWERS.items()
)
GOOD: dict[str, object] = {
    "environment": "friendly",
    "trouble": "",
    "starter_status": 0,
    "starter_seconds": 0.9,
    "ready_first": True,
    "output": "",
    "processes": 1,
    "parent": "reaper",
    "session": "own",
    "session_leader": False,
    "terminal": "none",
    "umask": "022",
    "umask_given": "002",
    "umask_chosen": "022",
    "directory": "/",
    "directory_chosen": "/",
    "directory_kept": False,
    "stdin": "/dev/null r",
    "stdout": "/dev/null w",
    "stderr": "/dev/null w",
    "inherited": (),
    "kept_over_exec": (),
    "pipes": (),
    "filtered": True,
    "ignored": ("PIPE", "TSTP", "TTIN", "TTOU"),
    "blocked": ("HUP", "INT", "TERM", "CHLD"),
    "caught": (),
    "signalfd": ("HUP", "INT", "TERM", "CHLD"),
    "signals_given": (("HUP", "PIPE"), ("TERM", "USR1")),
    "log_events": ("starting", "ready", "reload"),
    "pidfile": "its own",
    "pidfile_mode": "644",
    "pidfile_lock": ("FLOCK",),
    "pidfile_after": "no file",
    "victim": "no file",
    "overtaken": 2,
    "again": (3, False),
    "again_names": True,
    "again_seconds": 0.01,
    "again_pidfile": "its own",
    "at_logout": "runs on",
    "at_TERM": "exit 0",
    "at_INT": "exit 0",
    "at_HUP": "runs on",
    "at_KILL": "killed by SIGKILL",
    "at_replace": "runs on",
    "at_storm": "runs on",
    "at_TERM_TERM": "exit 1",
    "at_loss": "exit 1",
    "child_parent": "daemon",
    "child_group": "own",
    "child_ignored": (),
    "child_blocked": (),
    "child_stdin": "/dev/null r",
    "child_stdout": "/dev/null w",
    "child_stderr": "/dev/null w",
    "child_descriptors": (),
    "child_variables": ("PATH",),
    "job_ends": JOB_ENDS,
    "job_ends_due": JOB_ENDS,
    "job_ends_at_stop": ("heeds 7",),
    "job_ends_due_at_stop": ("heeds 7",),
    "ended_early": (),
    "unreaped": (),
    "unfinished": (),
    "ended_while_stopped": 5,
    "pending_while_stopped": ("CHLD",),
    "zombies": 0,
    "left_by_jobs": 0,
    "left": 0,
    "bad_lines": (),
    "misdated": (),
    "microseconds": True,
    "extra_writes": 0,
    "printed_events": ("starting", "ready", "stop", "stopped"),
    "log_mode": "640",
    "log_flags": ("append", "nonblock", "cloexec"),
    "control_bytes": (),
    "job_logged": True,
    "when_hung_up": ("HUP+1",),
    "when_hung_up_again": ("HUP+1",),
    "generations": (2, 3),
    "when_beside": (),
    "when_renamed": ("file+1",),
    "when_away": (),
    "when_back": ("file+1",),
    "when_cut": (),
    "when_cut_closed": ("file+1",),
    "when_made": (),
    "when_made_closed": ("file+1",),
    "when_swapped": ("file+1",),
    "when_swapped_again": ("file+1",),
    "when_fixed": ("file+1", "restart:umask,workers"),
    "when_fixed_again": ("HUP+1", "restart:umask,workers"),
    "when_unfixed": ("file+1",),
    "when_bad": ("file:kept",),
    "when_good": ("file+1",),
    "job_generations": ("first:1", "second:3"),
    "job_signals": ("second:TERM", "second:KILL"),
    "complaint": "6: workers = none",
    "answers": ANSWERED,
    "answers_said": ("labd: no",) * len(ANSWERED),
    "at_level_start": (),
    "at_level_error": (),
    "at_level_debug": ("reload",),
    "in_old_log": ("starting", "ready", "reload"),
    "in_new_log": ("reopened", "reload"),
    "in_log_again": ("log_lost", "reload", "reload"),
    "in_full_log": ("log_lost", "reload", "reload"),
    "lines_lost": (f"{UNHEARD} warning",),
    "lines_without_room": (f"{UNHEARD} warning",),
    "threads": WORKERS_NAMED,
    "thread_signals": (),
    "last_event": "stopped",
    "last_error": "none",
    "worker_ends": ENDED,
    "waited": True,
    "at_fail": "exit 1",
    "at_fail_both": "exit 1",
    "at_vanish": "exit 1",
    "at_TERM_fail": "exit 1",
    "at_late_TERM": "exit 1",
    "cleanups": tuple(reversed(ROWS)),
    "taken": ROWS,
    "left_behind": (),
    "at_afresh": "exit 0",
    **{f"healthz{when}": "200 ok" for when in ("", "_starting", "_stopping", "_unusable")},
    **{f"healthz{when}": "200 ok" for when in ("_again", "_still", "_crowd")},
    **{f"readyz{when}": "200 ok" for when in ("", "_again", "_still")},
    "readyz_starting": "503 starting",
    "readyz_stopping": "503 stopping",
    "readyz_unusable": "503 access(/tmp/spool/new): No such file or directory",
    "healthz_hung": "503 worker queue: no sign of life for more than 1500 ms",
    "metrics_hung": 200,
    "sockets_crowd": 64,
    "query": "200 ok",
    "missing": 404,
    "post": "405 GET, HEAD",
    "head": "200, 0 bytes of 3",
    "page_type": "text/html; charset=utf-8",
    "metrics_type": "text/plain; version=0.0.4; charset=utf-8",
    "metrics_missing": (),
    "metrics_bad_lines": (),
    "jobs_counted": ("done 1", "failed 1", "count 2", "+Inf 2"),
    "after_nonsense": "200 ok",
    "nonsense": ("nonsense: 400", "no newline: 414", "long head: 431", "large body: 405"),
    "socket_mode": "socket 660",
    "socket_after": "nothing",
}
"""Every fact of a daemon as it should be: of the friendly environment, where that counts."""

TOLD = f"labd: chdir(/tmp/{NOWHERE}): No such file or directory"
REFUSED = "labd: labd.pid: it is a symbolic link"
LATE = "labd: already running\n" * (COPIES - 1)
NO_DAEMON = {"starter_status": 1, "processes": 0, "parent": None}
FAILED = {**NO_DAEMON, "output": TOLD}
REFUSES = {**NO_DAEMON, "output": REFUSED}
KILLED = {"again": (0, True), "again_pidfile": "the second's"}
UNMOVED = {"in_new_log": None, "in_log_again": None}
STOPPED = {"at_TERM_TERM": None}
KEPT = {"pidfile_after": ANOTHER.decode()}
EVERY = signal_names(BLOCKABLE)
CAUSE = {"last_event": "failed", "last_error": "worker reporter: poll(): Cannot allocate memory"}
BROKEN = {"worker_ends": ("failed reporter", "ended config", "ended queue")}
HUNG = {**CAUSE, "at_TERM": "exit 1", "worker_ends": ("hung reporter",)}
LATE_QUEUE = {**HUNG, "last_error": "worker queue did not stop within 1000 ms"}
HALFWAY = {**NO_DAEMON, "last_event": "failed"}
GIVEN_UP = {
    "last_event": "failed",
    "last_error": "not undone within 1000 ms: "
    "results_open config_watch pidfile_acquire signals_open log_open",
}
UNSTARTED = {**NO_DAEMON, "output": "labd: pthread_create() of worker queue: no"}

PASSES: dict[str, dict[str, object]] = {
    "verdict": FAILED,
    "death": FAILED,
    "killed": KILLED,
    "refused-forms": REFUSES,
    "race": {"output": LATE},
    "foreign": KEPT,
    "stop-children": STOPPED,
    "not-started": UNSTARTED,
    "others": BROKEN,
    "fails": CAUSE,
    "first-error": CAUSE,
    "vanishes": CAUSE,
    "fails-stopping": CAUSE,
    "hung": {"threads": ("config", "health", "queue", "reporter")},
    "hangs": HUNG,
    "late": LATE_QUEUE,
    "taken": {"again": (1, False)},
    "socket-gone": {"again": None},
    "failed-start": HALFWAY,
    "time-limit": {"at_TERM": "exit 1"},
    "named": GIVEN_UP,
}
"""What is to be otherwise than in GOOD for a check to pass: for most of them nothing."""

FAILS: list[tuple[str, dict[str, object], str]] = [
    ("starts", {"starter_status": "running"}, "does not return"),
    ("starts", {"starter_status": "not executed"}, "could not be executed"),
    ("starts", {"starter_status": 7}, "ended with 7"),
    ("starts", {"starter_status": "SIGSEGV"}, "ended with SIGSEGV"),
    ("starts", {"parent": None}, "no daemon"),
    ("starts", {"trouble": "it killed the keeper"}, "it killed the keeper"),
    ("parent", {"parent": "starter"}, "starter"),
    ("session", {"session": "shell's"}, "shell's"),
    ("leader", {"session_leader": True}, "yes"),
    ("terminal", {"terminal": "/dev/pts/3"}, "/dev/pts/3"),
    ("logout", {"at_logout": "killed by SIGHUP"}, "SIGHUP"),
    ("umask", {"umask": "002"}, "002"),
    ("umask", {"umask": "000"}, "000"),
    ("umask", {"umask": "022", "umask_chosen": "027"}, "022"),
    ("umask", {"umask": "002", "umask_chosen": None}, "002"),
    ("directory", {"directory": "/tmp/daemonlab-1", "directory_kept": True}, "where it was"),
    ("directory", {"directory": "/", "directory_chosen": "/srv"}, "/"),
    ("directory", {"directory_chosen": None, "directory_kept": True}, "where it was"),
    ("pipe", {"pipes": ("r",)}, "r"),
    ("abandoned", {"at_loss": "killed by SIGPIPE"}, "SIGPIPE"),
    ("abandoned", {"at_loss": "runs on"}, "runs on"),
    ("ready", {"ready_first": False}, "before it was ready"),
    ("ready", {"ready_first": None}, "before it was ready"),
    ("ready", {"starter_seconds": None}, "does not return"),
    ("verdict", {**FAILED, "starter_status": 0}, "exit 0"),
    ("verdict", {**FAILED, "output": ""}, "does not say why"),
    ("verdict", {**FAILED, "processes": 1}, "1 process left"),
    ("verdict", {**FAILED, "starter_status": "running"}, "does not return"),
    ("verdict", {**FAILED, "starter_status": "SIGSEGV"}, "killed by SIGSEGV, says why"),
    ("death", {**FAILED, "starter_status": 0}, "exit 0"),
    ("death", {**FAILED, "output": ""}, "says nothing"),
    ("death", {**FAILED, "starter_status": "running"}, "does not return"),
    ("standard", {"stdin": "/dev/null w"}, "stdin: /dev/null w"),
    ("standard", {"stdout": "/dev/pts/3 rw"}, "stdout: /dev/pts/3"),
    ("standard", {"stderr": "closed"}, "stderr: closed"),
    ("inherited", {"inherited": (7, 300)}, "7 300"),
    ("cloexec", {"kept_over_exec": (3,)}, "3"),
    ("fallback", {"inherited": (7, 300)}, "7 300"),
    ("fallback", {**NO_DAEMON, "filtered": None}, "ended with 1"),
    ("dispositions", {"ignored": ("HUP", "PIPE")}, "HUP"),
    ("mask", {"blocked": ("TERM", "USR1")}, "USR1"),
    ("mask", {"blocked": ("TERM",), "signalfd": ()}, "TERM"),
    ("stop-signals", {"ignored": ("TSTP", "TTIN")}, "TTOU at default"),
    ("sigpipe", {"ignored": ()}, "PIPE at default"),
    ("term", {"at_TERM": "killed by SIGTERM"}, "SIGTERM"),
    ("term", {"at_TERM": "runs on"}, "runs on"),
    ("int", {"at_INT": "exit 130"}, "exit 130"),
    ("hup", {"at_HUP": "killed by SIGHUP"}, "SIGHUP"),
    ("hup", {"log_events": ("starting", None, "ready")}, "no reload"),
    ("storm", {"at_storm": "killed by SIGHUP"}, "SIGHUP"),
    ("second", {"at_TERM_TERM": "exit 0"}, "exit 0"),
    ("content", {"pidfile": "12 \n"}, "12"),
    ("content", {"pidfile": "no file"}, "no file"),
    ("mode", {"pidfile_mode": "666"}, "666"),
    ("lock", {"pidfile_lock": ()}, "none"),
    ("lock", {"pidfile_lock": "no file"}, "no file"),
    ("refuses", {"again": (0, True)}, ""),
    ("refuses", {"again": (1, False)}, ""),
    ("refuses", {"again_names": False}, "not named"),
    ("refuses", {"again_seconds": 4.5, "starter_seconds": 0.1}, "only after 4.5 s"),
    ("refuses", {"again_pidfile": "no file"}, "does not name the first"),
    ("killed", {**KILLED, "again": (3, False)}, ""),
    ("killed", {**KILLED, "again_pidfile": "1\n"}, "names another"),
    ("refused-forms", {**REFUSES, "starter_status": 0}, "exit 0"),
    ("refused-forms", {**REFUSES, "starter_status": "running"}, "does not return"),
    ("refused-forms", {**REFUSES, "output": "labd: no"}, "file not named"),
    ("refused-forms", {**REFUSES, "processes": 1}, "a daemon runs"),
    ("refused-forms", {**REFUSES, "victim": "its own"}, "written through"),
    ("race", {"output": LATE, "processes": 2}, "2 running"),
    ("race", {"output": "labd: already running"}, "1 refused"),
    ("overtaken", {"pidfile_lock": ()}, "gone"),
    ("overtaken", {"pidfile_lock": "no file"}, "gone"),
    ("removed", {"pidfile_after": "its own"}, "its own"),
    ("foreign", {"pidfile_after": "no file"}, "no file"),
    ("child-group", {"child_group": "another's"}, "another's"),
    ("child-signals", {"child_blocked": ("TERM",)}, "TERM"),
    ("child-signals", {"child_ignored": ("PIPE",)}, "PIPE"),
    ("child-descriptors", {"child_descriptors": (5,)}, "5"),
    ("child-descriptors", {"child_stdin": "/dev/pts/3 rw"}, "/dev/pts/3"),
    ("child-descriptors", {"child_stdout": "closed"}, "closed"),
    ("child-descriptors", {"child_stderr": "closed"}, "closed"),
    ("child-environment", {"child_variables": ("PATH", "TZ")}, "TZ"),
    ("statuses", {"job_ends": ()}, "bad 3"),
    ("statuses", {"job_ends": (*JOB_ENDS, "bad 3")}, "bad 3"),
    ("statuses", {"unfinished": ("broken3",)}, "not put away: broken3"),
    ("orphans", {"child_parent": "reaper"}, "reaper"),
    ("orphans", {"zombies": 1}, "a zombie"),
    ("reaped", {"zombies": 4}, "4 of 5"),
    ("deadline", {"job_ends": (*JOB_ENDS[1:], "bad TERM")}, "missing: bad 3; too many: bad TERM"),
    ("deadline", {"unfinished": ("deaf",)}, "not put away: deaf"),
    ("deadline", {"ended_early": ("polite after 201 ms",)}, "too early: polite"),
    ("whole-group", {"left_by_jobs": 2}, "2 processes left: "),
    ("stop-children", {**STOPPED, "at_TERM": "runs on"}, "runs on"),
    ("stop-children", {**STOPPED, "left": 1}, "1 process left: "),
    ("stop-children", {**STOPPED, "unreaped": ("deaf",)}, "deaf"),
    ("stop-children", {**STOPPED, "job_ends_at_stop": ("heeds KILL",)}, "heeds KILL"),
    ("stop-children", {"at_TERM_TERM": "runs on"}, "runs on"),
    ("lines", {"bad_lines": ("ready",)}, "ready"),
    ("lines", {**UNMOVED, "log_events": ()}, "nothing"),
    ("lines", {"misdated": ("2026-01-01T05:00:00.123456Z",)}, "the wrong time: 2026"),
    ("lines", {"microseconds": False}, "always 0"),
    ("lines", {"extra_writes": 2}, "2 more"),
    ("at-once", {"log_events": ("starting",)}, "starting"),
    ("append", {"log_flags": ("cloexec",)}, "cloexec"),
    ("append", {"log_flags": "no log"}, "no log"),
    ("append", {"log_mode": "666"}, "mode 666"),
    ("injection", {"log_events": ("starting", FORGED)}, "a forged line"),
    ("injection", {"control_bytes": ("1b",)}, "1b"),
    ("injection", {"job_logged": False}, "not in it"),
    ("wrong", {"answers": ("value 0", *ANSWERED[1:])}, 'exit 0 at "job_timeout = soon", line 2'),
    ("wrong", {"answers": (*ANSWERED[:3], "together 78 2: workers = 2")}, 'exit 78 at "database'),
    ("hangup", {"when_hung_up": ()}, "none"),
    ("hangup", {"when_hung_up_again": ("HUP+0",)}, "HUP+0"),
    ("hangup", {"generations": (1, 2)}, "1 2"),
    ("renamed", {"when_renamed": ()}, "none"),
    ("renamed", {"when_beside": ("file+1",)}, "beside: file+1"),
    ("renamed", {"when_away": ("file:kept",)}, "away: file:kept"),
    ("renamed", {"when_back": ("file+1", "file+1")}, "file+1 file+1"),
    ("written", {"when_cut": ("file+1",)}, "cut: file+1"),
    ("written", {"when_cut_closed": ()}, "none"),
    ("written", {"when_made": ("file+1",)}, "made: file+1"),
    ("written", {"when_made_closed": ()}, "none"),
    ("swapped", {"when_swapped": ()}, "none"),
    ("swapped", {"when_swapped_again": ()}, "again: none"),
    ("kept", {"when_bad": ("file+1",)}, "file+1"),
    ("kept", {"complaint": ""}, "complaint"),
    ("kept", {"when_good": ()}, "none"),
    ("kept", {"job_signals": ("first:TERM", "second:TERM", "second:KILL")}, "first:TERM"),
    ("kept", {"job_generations": ("first:2", "second:3")}, "first:2"),
    ("kept", {"job_generations": ()}, "none"),
    ("whole", {"job_signals": ("second:TERM",)}, "second:TERM"),
    ("whole", {"job_signals": ("first:TERM", "second:TERM", "second:KILL")}, "first:TERM"),
    ("restart", {"when_fixed": ("file+1",)}, "file+1"),
    ("restart", {"when_fixed_again": ("HUP+1",)}, "again: HUP+1"),
    ("restart", {"when_unfixed": ("file+1", "restart:umask")}, "restart:umask"),
    ("level", {"at_level_start": ("starting", "ready")}, "starting"),
    ("level", {"at_level_error": ("reload",)}, "reload"),
    ("level", {"at_level_debug": ()}, "none"),
    ("rotate", {"in_new_log": ()}, "in the new file: none"),
    ("rotate", {"in_old_log": ("starting", "ready")}, ""),
    ("lost", {"lines_lost": ("1 warning",)}, "gone: 1 warning"),
    ("lost", {"lines_lost": (f"{UNHEARD} error",)}, "gone: 2 error"),
    ("lost", {"lines_without_room": ("1 warning",)}, "full: 1 warning"),
    ("lost", {"in_log_again": ("reload", "reload")}, "gone: reload"),
    ("lost", {"in_log_again": ("log_lost", "reload", "log_lost", "reload")}, "gone: log_lost"),
    ("lost", {"in_full_log": ("reload", "reload")}, "full: reload"),
    ("foreground", {"printed_events": ()}, "none"),
    ("threads", {"threads": ("labd", "labd", "labd")}, "labd"),
    ("thread-signals", {"thread_signals": ("USR2",)}, "not blocked: USR2"),
    ("thread-signals", {"thread_signals": EVERY}, "not blocked: all"),
    ("thread-signals", {"thread_signals": EVERY[1:]}, "not blocked: all but HUP"),
    ("thread-signals", {"blocked": ("HUP", "INT", "USR1", "USR2", "TERM", "CHLD")}, "USR2"),
    ("not-started", {**UNSTARTED, "starter_status": 0}, "the starter: 0"),
    ("not-started", {**UNSTARTED, "output": "labd: failed"}, "no worker is named"),
    ("not-started", {**UNSTARTED, "left": 1}, "1"),
    ("others", {"worker_ends": ("failed reporter",)}, "failed reporter"),
    ("others", {"worker_ends": (*ENDED, "failed reporter")}, "ended config"),
    ("fails", {**CAUSE, "at_fail": "runs on"}, "runs on"),
    ("fails", {**CAUSE, "last_event": "stopped"}, "the last line: stopped"),
    ("fails", {**CAUSE, "last_error": "poll(): no"}, "the cause: poll()"),
    ("first-error", {**CAUSE, "last_error": "worker queue: poll(): no"}, "worker queue"),
    ("vanishes", {**CAUSE, "at_vanish": "exit 0"}, "exit 0"),
    ("fails-stopping", {**CAUSE, "at_TERM_fail": "exit 0"}, "exit 0"),
    ("hangs", {**HUNG, "at_TERM": "runs on"}, "runs on"),
    ("hangs", {**HUNG, "worker_ends": ("ended queue",)}, "logged: ended queue"),
    ("hangs", {**HUNG, "waited": False}, "did not wait so long"),
    ("late", {**LATE_QUEUE, "at_late_TERM": "runs on"}, "runs on"),
    ("late", {**LATE_QUEUE, **CAUSE}, "the cause: worker reporter"),
    ("stops", {"at_TERM": "exit 1"}, "exit 1"),
    ("stops", {"waited": False}, "given up at once"),
    ("stops", {"worker_ends": ENDED[1:]}, "logged: ended queue"),
    ("stops", {"last_event": "failed"}, "the last line: failed"),
    ("alive", {"healthz": "503 starting"}, "503 starting"),
    ("alive", {"healthz_stopping": "503 stopping"}, "while stopping: 503 stopping"),
    ("alive", {"healthz_unusable": "no answer"}, "while unusable: no answer"),
    ("readiness", {"readyz_starting": "200 ok"}, "200 ok"),
    ("readiness", {"readyz": "503 starting"}, "503 starting"),
    ("readiness", {"readyz": None, "readyz_stopping": "200 ok"}, "200 ok"),
    ("unusable", {"readyz_unusable": "200 ok"}, "200 ok"),
    ("unusable", {"readyz_unusable": "503 not ready"}, "503 not ready"),
    ("unusable", {"readyz_again": "503 gone"}, "503 gone"),
    ("metrics", {"metrics_type": "text/html"}, "text/html"),
    ("metrics", {"metrics_missing": ("labd_uptime_seconds",)}, "labd_uptime_seconds"),
    ("metrics", {"metrics_bad_lines": ("labd_jobs_total",)}, "labd_jobs_total"),
    ("metrics", {"jobs_counted": ("done 2", "failed 0", "count 2", "+Inf 2")}, "done 2"),
    ("requests", {"query": "404"}, "404"),
    ("requests", {"missing": 200}, "200"),
    ("requests", {"post": "405"}, "405"),
    ("requests", {"page_type": "text/plain"}, "text/plain"),
    ("requests", {"head": "200, 3 bytes of 3"}, "3 bytes of 3"),
    ("nonsense", {"nonsense": ("nonsense: 200",)}, "nonsense: 200"),
    ("nonsense", {"nonsense": ("long head: 400",)}, "long head: 400"),
    ("nonsense", {"after_nonsense": "no answer"}, "no answer"),
    ("crowd", {"healthz_crowd": "no answer"}, "no answer"),
    ("crowd", {"sockets_crowd": 1001}, "1001 sockets"),
    ("crowd", {"healthz_still": "no answer"}, "no answer"),
    ("hung", {"healthz_hung": "200 ok"}, "200 ok"),
    ("hung", {"healthz_hung": "503 late"}, "503 late"),
    ("hung", {"metrics_hung": 503}, "503"),
    ("hung", {"threads": WORKERS_NAMED}, "config queue reporter"),
    ("taken", {"again": (0, True)}, "read again"),
    ("taken", {"again": (1, False), "healthz_still": "no answer"}, "no answer"),
    ("taken", {"again": None}, "exit 0"),
    ("taken", {"again": None, **NO_DAEMON, "output": "labd: no"}, "labd: no"),
    ("taken", {"again": None, **NO_DAEMON, "output": "labd: bind(x): no"}, "nothing"),
    ("stale-socket", NO_DAEMON, "exit 1"),
    ("stale-socket", {"readyz_still": "no answer"}, "no answer"),
    ("stale-socket", {"socket_mode": "socket 777"}, "socket 777"),
    ("socket-gone", {"again": None, "socket_after": "socket"}, "socket"),
    ("socket-gone", {"socket_after": "nothing"}, "nothing"),
    ("socket-gone", {"again": None, "at_TERM": "runs on"}, "runs on"),
    ("order", {"cleanups": ROWS}, "undone: log_open"),
    ("order", {"cleanups": (*reversed(ROWS), ROWS[0])}, "log_open log_open"),
    ("undone", {"at_TERM": "exit 1"}, "exit 1"),
    ("undone", {"left_behind": ("labd.pid",)}, "left: labd.pid"),
    ("undone", {"left": 2}, "left: 2 processes"),
    ("undone", {"last_event": "ready"}, "the last line: ready"),
    ("undone", {"at_TERM": None, "at_fail": "exit 0"}, "exit 0"),
    ("undone", {"at_TERM": None, "at_fail": None, "at_afresh": "exit 1"}, "exit 1"),
    ("failed-start", {**HALFWAY, "starter_status": 0}, "the starter: 0"),
    ("failed-start", {**HALFWAY, "cleanups": ROWS[:2]}, "undone: log_open signals_open"),
    ("failed-start", {**HALFWAY, "left_behind": ("labd.pid",)}, "left: labd.pid"),
    ("failed-start", {**HALFWAY, "last_event": "starting"}, "the last line: starting"),
    ("time-limit", {"at_TERM": "runs on"}, "runs on"),
    ("named", {}, "the last line: stopped"),
    ("named", {**GIVEN_UP, "last_error": "not undone within 1000 ms: log_open"}, "log_open"),
]

ALWAYS_JUDGE = {
    "starts",
    "ready",
    "verdict",
    "death",
    "fallback",
    "refused-forms",
    "race",
    "not-started",
    "taken",
    "stale-socket",
    "failed-start",
}
"""They are about the starter, of which something is always known."""


def facts(**otherwise: object) -> Facts:
    """The facts of a good daemon, but for some."""
    assert otherwise.keys() <= GOOD.keys(), "misspelt"
    return {name: Fact(value, f"read {name}") for name, value in {**GOOD, **otherwise}.items()}


# --- the checks


def test_the_tables_are_whole() -> None:
    """Every fact is in GOOD, every check in FAILS: none goes untested."""
    assert GOOD.keys() == documentation().keys()
    assert {name for name, _, _ in FAILS} == CHECKS.keys()
    assert {*PASSES, *ALWAYS_JUDGE} <= CHECKS.keys()


@pytest.mark.parametrize("name", list(CHECKS))
def test_passes(name: str) -> None:
    """It passes on a daemon as it should be, and says what it saw and what it expected."""
    found = CHECKS[name](facts(**PASSES.get(name, {})))
    assert found.passed is True, found
    assert found.observed and found.expected


@pytest.mark.parametrize(
    ("name", "otherwise", "says"),
    FAILS,
    ids=[f"{name}-{n}" for n, (name, _, _) in enumerate(FAILS)],
)
def test_fails(name: str, otherwise: dict[str, object], says: str) -> None:
    """It fails on one that differs in a single thing, and shows that thing."""
    found = CHECKS[name](facts(**otherwise))
    assert found.passed is False, found
    assert says in found.observed and found.observed and found.expected


@pytest.mark.parametrize("name", list(CHECKS))
def test_nothing_known(name: str) -> None:
    """Where nothing could be read it is neither passed nor failed: no daemon, no permission."""
    found = CHECKS[name]({fact: Fact(None, "not permitted") for fact in GOOD})
    assert found.passed is (False if name in ALWAYS_JUDGE else None), found


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("directory", {"directory_kept": None}),
        ("mask", {"signalfd": None}),
        ("standard", {"stdin": None}),
        ("lock", {"pidfile_lock": None}),
        ("overtaken", {"overtaken": None}),
        ("overtaken", {"pidfile_lock": None}),
        ("fallback", {"inherited": None}),
        ("stop-signals", {"ignored": None}),
        ("dispositions", {"ignored": None}),
        ("removed", {"at_TERM": None}),
        ("foreign", {"at_TERM": None, **KEPT}),
    ],
)
def test_partly_known(name: str, unknown: dict[str, object]) -> None:
    """One unknown fact that the verdict hangs on is enough; its evidence tells why."""
    found = CHECKS[name](facts(**unknown))
    assert found.passed is None, found
    missing = next(fact for fact, value in unknown.items() if value is None)
    assert f"read {missing}" in found.observed


@pytest.mark.parametrize(
    ("name", "otherwise"),
    [
        ("sigpipe", {"ignored": (), "caught": ("PIPE",)}),
        ("stop-signals", {"ignored": (), "caught": ("TSTP", "TTIN"), "blocked": ("TTOU",)}),
        ("mask", {"blocked": (), "signalfd": None}),
        ("mask", {"blocked": ("WINCH",), "signalfd": ()}),
        ("dispositions", {"ignored": ("PIPE", "USR1")}),
        ("standard", {"stdin": "/dev/null rw", "stdout": "/dev/null rw"}),
        ("umask", {"umask": "077", "umask_chosen": None}),
        ("umask", {"umask": "002", "umask_chosen": "002"}),
        ("directory", {"directory": "/srv", "directory_chosen": None}),
        ("directory", {"directory": "/srv", "directory_chosen": "/srv", "directory_kept": True}),
        ("ready", {"starter_seconds": 0.01}),
        ("lines", {"extra_writes": None}),
        ("stop-children", {}),
    ],
)
def test_another_way_is_as_good(name: str, otherwise: dict[str, object]) -> None:
    """Negative control: who reaches the same by other means passes."""
    assert CHECKS[name](facts(**otherwise)).passed is True


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "yes"), (False, "no"), (None, "unknown"), ((), "none"), ((3, 4), "3 4"), ("", "")],
)
def test_show(value: object, shown: str) -> None:
    """A value is shown in words that a reader knows."""
    assert show(value) == shown


# --- several scenarios, and what comes after what


def info(name: str, *scenarios: str, after: str = "") -> CheckInfo:
    """A check as a lab describes it."""
    there = scenarios or ("one",)
    return CheckInfo(name, f"the {name}", 1, there, after, "", "", "x_do", {}, "", "01-x.md#x")


def test_first_scenario_that_fails_is_told() -> None:
    """A check passes when it does in each of its scenarios; the first that differs is told."""
    scenarios = {"one": facts(), "two": facts(terminal="tty1"), "three": facts(terminal="tty2")}
    outcome = judge(info("terminal", "one", "two", "three"), scenarios)
    assert (outcome.passed, outcome.scenario, outcome.verdict.observed) == (False, "two", "tty1")
    outcome = judge(info("terminal", "one"), scenarios)
    assert (outcome.passed, outcome.scenario) == (True, "one")


def test_what_comes_after_a_failure_is_not_reached() -> None:
    """One cause is one failure: `after` holds back what depends on it, and what depends on that."""
    checks = [
        info("session"),
        info("leader", after="session"),
        info("terminal", after="leader"),
        info("umask"),
    ]
    bad = {"one": facts(session="shell's", session_leader=True, terminal="tty1")}
    outcomes = judge_all(checks, bad)
    assert [outcome.passed for outcome in outcomes] == [False, None, None, True]
    assert "the session" in outcomes[1].verdict.observed
    assert "the leader" in outcomes[2].verdict.observed
    assert all(outcome.passed for outcome in judge_all(checks, {"one": facts()}))


def test_what_comes_after_the_unknown_is_not_reached() -> None:
    """What depends on a check that could not judge is not reached either."""
    outcomes = judge_all(
        [info("session"), info("leader", after="session")], {"one": facts(session=None)}
    )
    assert [outcome.passed for outcome in outcomes] == [None, None]


def test_a_daemon_that_had_failed_by_then() -> None:
    """Where nothing else has failed, the first that could not be looked at has: its daemon had."""
    checks = [info("umask"), info("session"), info("leader", after="session")]
    gone = {"session": None, "last_event": "failed", "last_error": "'NoneType' object"}
    outcomes = judge_all(checks, {"one": facts(**gone)})
    assert [outcome.passed for outcome in outcomes] == [True, False, None]
    assert "'NoneType' object" in outcomes[1].verdict.observed
    outcomes = judge_all(checks, {"one": facts(**gone, umask="077")})
    assert [outcome.passed for outcome in outcomes] == [False, None, None]
