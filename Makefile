# The front door of daemonlab. `make` alone prints what one can do here.
#
# A line "## NAME: text" above a target is its help, "##@ NAME" opens a group of the help.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

ifneq "$(words $(CURDIR))$(findstring :,$(CURDIR))" "1"
$(error make cannot work in '$(CURDIR)': move daemonlab where no folder has a space or a colon \
    in its name)
endif

bin     := .venv/bin
WORKERS ?= 2
pytest   = $(bin)/python -m pytest -n $(WORKERS) --dist loadgroup
python   = $(wildcard setup.py python tests docs/hooks)
c        = $(wildcard c/src/*.[ch])
scripts  = .ci/run tools/doctor tools/python tools/reference tools/system tools/venv tools/hooks/pre-commit
export NO_MKDOCS_2_WARNING = 1

# Labs go by number: labs/01-detach is lab 1.
number = $(if $(filter 1 2 3 4 5 6 7 8 9,$1),0)$1
labs  := $(strip $(foreach n,1 2 3 4 5 6 7 8 9 10 11 12 13,\
    $(if $(wildcard labs/$(call number,$n)-*),$n)))

# What talks to the terminal does so one after the other, in the order asked for, also with -j.
talking := labs watch mine fault progress observe doctor check-course schedule skeletons test check \
    docs serve
goals   :=
$(foreach goal,$(filter lab-% predict-% hint-% reset-% start-% $(talking),$(MAKECMDGOALS)),\
    $(if $(filter $(goal),$(goals)),,\
        $(if $(goals),$(eval $(goal): | $(lastword $(goals))))\
        $(eval goals += $(goal))))

.PHONY: help
help:
	@awk -F ': ' '/^##@ /{print "\n" substr($$0, 5)} \
	    /^## /{printf "  make %-16s %s\n", substr($$1, 4), substr($$0, length($$1) + 3)}' Makefile
	@printf '\nLabs here: %s. ARGS="…" is passed on by the lab and test targets.\n' '$(labs)'

##@ learn

.PHONY: $(labs:%=lab-%) $(labs:%=predict-%) labs watch mine fault progress observe doctor

## lab-N: run lab N: C, Python and yours; then what was green
$(labs:%=lab-%): lab-%: c .venv/run.stamp
	@$(bin)/daemonlab lab $* $(ARGS)

lab-% predict-%:
	@echo 'lab $*: not there yet; labs here: $(labs); the course will have 1 to 13' >&2; exit 2

## predict-N: before you run lab N, say what the kernel will say
$(labs:%=predict-%): predict-%: c .venv/run.stamp
	@$(bin)/daemonlab predict $* $(ARGS)

## start-N: begin at lab N: all earlier ones are solved
## hint-N: the next hint for what failed last in lab N
## reset-N: bring its skeleton back, keep your file aside
start-% hint-% reset-%: .venv/run.stamp
	@$(bin)/daemonlab $(firstword $(subst -, ,$@)) $* $(ARGS)

## progress: how far you are: points, hints, times
progress: .venv/run.stamp
	@$(bin)/daemonlab progress $(ARGS)

## labs: run every lab that is here
labs: c .venv/run.stamp
	@course=$$($(bin)/daemonlab labs) || exit; failed=0; \
	for n in $$course; do $(bin)/daemonlab lab $$n $(ARGS) || failed=1; done; exit $$failed

## watch: run your lab again at each save
watch: c .venv/run.stamp
	@$(bin)/daemonlab watch $(ARGS)

## mine: run your own daemon whole, all of your modules at once
mine: c .venv/run.stamp
	@$(bin)/daemonlab mine $(ARGS)

## fault: find what is wrong with a daemon that runs
fault: c .venv/run.stamp
	@$(bin)/daemonlab fault $(ARGS)

## observe PID=N: show what the kernel says about running processes
observe: .venv/run.stamp
	@$(if $(PID),,echo 'say which process: make observe PID=1234' >&2; exit 2)
	@$(bin)/daemonlab observe $(PID) $(ARGS)

## doctor: what this machine lacks, and what brings it
doctor:
	@tools/doctor $(ARGS)

## c: build the C daemon, build/c/labd
.PHONY: c
c: build/c/labd

build/c/labd: $(wildcard c/src/*.[ch]) c/Makefile | build/system.stamp
	@echo 'Building the C daemon, $@…'
	@$(MAKE) -s -C c || { tools/system build && tools/reference; exit 1; }
	@touch $@

##@ check

.PHONY: test check lint types analyze quick lint-tools

## test: run all tests (one of them: ARGS="-k NAME")
test: c .venv/dev.stamp
	@$(pytest) $(ARGS)

## check: lint, types, analyze, quick tests: before each commit
check: lint types analyze quick

## lint: format and style of Python, C and shell
lint: .venv/dev.stamp lint-tools
	@$(bin)/ruff check --quiet $(python)
	@$(bin)/ruff format --check --quiet $(python) || { \
	    echo 'make format puts the format right' >&2; exit 1; }
	@clang-format --dry-run -Werror $(c)
	@shellcheck $(scripts)

## types: the types of the Python side
types: .venv/dev.stamp
	@$(bin)/mypy

## analyze: the C daemon under gcc's static analyzer
analyze: lint-tools | build/system.stamp
	@$(MAKE) -s -C c CC=gcc CFLAGS='-O2 -g -fanalyzer' BUILD=../build/analyze

quick: c .venv/dev.stamp
	@$(pytest) --quiet -m 'not slow' $(ARGS)

lint-tools:
	@tools/system lint

##@ teach

.PHONY: docs serve skeletons schedule check-course

## docs: build the book into site/
docs: c .venv/dev.stamp
	@$(bin)/mkdocs build --strict --quiet

## serve: read the book in a browser while it is being written
serve: c .venv/dev.stamp
	@$(bin)/mkdocs serve

## check-course: prove the course; each lab 20 times under load
check-course: c .venv/run.stamp
	@$(bin)/daemonlab check-course $(ARGS)

## schedule: which lab opens when, is due when, counts what
schedule: .venv/run.stamp
	@$(bin)/daemonlab schedule $(ARGS)

## skeletons: derive the skeletons of the labs from the reference anew
skeletons: .venv/run.stamp
	@$(bin)/daemonlab skeletons $(ARGS)

##@ develop

.PHONY: format lock peers tools hooks clean distclean

## format: format Python and C
format: .venv/dev.stamp lint-tools
	@$(bin)/ruff check --quiet --fix-only $(python)
	@$(bin)/ruff format --quiet $(python)
	@clang-format -i $(c)

## peers: install programs to test with: redis, prometheus, …
peers:
	@tools/system peers

## tools: install analyzers and tracers: clang, valgrind, strace
tools:
	@tools/system tools

## hooks: let git run `make check` before each commit
hooks:
	@git config core.hooksPath tools/hooks
	@echo 'git commit now runs make check; git commit -n skips it'

## lock: pin the newest Python packages that are allowed
lock: | .venv/run.stamp
	@$(bin)/python -m pip install -qq --upgrade --target build/uv uv
	@$(lock) --extra build -o requirements.lock
	@$(lock) --extra build --extra dev --extra docs -c requirements.lock -o requirements-dev.lock
lock = build/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
    --generate-hashes --custom-compile-command 'make lock' pyproject.toml

## clean: remove what was built
clean:
	@rm -rf build site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find python tests -name __pycache__ -prune -exec rm -rf {} +

## distclean: remove .venv too
distclean: clean
	@rm -rf .venv python/*.egg-info python/*/*.so

# --- set-up: done once, and again when its inputs change ---

# A .venv of another folder, or one without its compiled extensions, will not do.
ifneq "$(file <.venv/place)" "$(CURDIR)"
anew := FORCE
else ifneq "$(words $(wildcard python/*/*_build.py))" "$(words $(wildcard python/*/*.so))"
anew := FORCE
endif

build/system.stamp: tools/system tools/python
	@tools/system build
	@mkdir -p build && touch $@

.venv/run.stamp: requirements.lock pyproject.toml setup.py $(wildcard python/*/*_build.py) \
    $(bin)/python $(anew) | build/system.stamp
	@tools/venv run

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	@tools/venv dev

$(bin)/python: ;

FORCE:
