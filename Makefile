# The verbs of the project; `make` alone prints them. Each verb sets up what it needs first, once.
PYTHON ?= $(or $(CLICKSTREAM_PYTHON),python3)
MAPPING ?= rees46
N ?= 50
TRIALS ?= 0
export PYTHONPATH := $(CURDIR):$(CURDIR)/contracts
RUN := .venvs/tools/bin/python
ROOMS := contracts plugins dags spark_apps flink_apps ray_apps tools tests bench

.DEFAULT_GOAL := help
.PHONY: help demo test check up down status doctor logs replay render bench fraud-report recommender-benchmark faults docs lock clean \
  setup setup-tools setup-checks setup-ray test-spark test-rooms

help: ## Print the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-21s %s\n", $$1, $$2}'

demo: setup ## Start everything, send a shop's days, publish a night, print what happened
	@$(RUN) -m tools.demo

test: setup setup-ray setup-checks ## All tests, engines included
	@$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) test-spark test-rooms
	@.venvs/ray/bin/python -m pytest tests/ray_apps
	@$(RUN) -m pytest tests/tools tests/end_to_end tests/faults -m "engine and not long" --durations=25

# Rooms whose tests start few engines run beside Spark's: two cores have work for both.
test-spark:
	@.venvs/spark/bin/python -m pytest tests/spark_apps

test-rooms:
	@$(RUN) -m pytest tests/test_house.py tests/contracts tests/tools -m "not engine"
	@.venvs/airflow/bin/python -m pytest tests/dags tests/plugins
	@.venvs/flink/bin/python -m pytest tests/flink_apps
	@$(RUN) -m pytest tests/manifests

check: setup-checks ## Lint, types, house rules and unit tests; starts no engine
	@.venvs/tools/bin/ruff check . && .venvs/tools/bin/ruff format --check . && .venvs/tools/bin/mypy $(ROOMS)
	@$(RUN) -m pytest tests/test_house.py tests/contracts tests/tools -m "not engine"
	@.venvs/airflow/bin/python -m pytest tests/dags tests/plugins -m "not engine"
	@$(RUN) -m pytest tests/manifests

up: setup ## Start the local stack and wait until it is healthy (ONLY=s3,nessie,kafka starts these)
	@$(RUN) -m tools.localstack up --only "$(ONLY)"

down: setup-tools ## Stop the local stack; the data stays
	@$(RUN) -m tools.localstack down

status: setup-tools ## Each part's state, address and memory, and where the login is
	@$(RUN) -m tools.localstack status

doctor: ## What this machine lacks and what is stuck, each with its cure
	@$(PYTHON) -m tools.localstack.doctor

logs: setup-tools ## The end of a part's log: PART=kafka [N=50]
	@$(if $(PART),$(RUN) -m tools.localstack logs $(PART) -n $(N),echo "error: name a part, e.g. make logs PART=kafka" >&2; exit 2)

replay: setup ## Send your own event file: FILE=events.csv.gz [MAPPING=rees46]
	@$(if $(FILE),$(RUN) -m tools.replay --file "$(FILE)" --mapping "$(MAPPING)",echo "error: name a file, e.g. make replay FILE=events.csv.gz MAPPING=rees46" >&2; exit 2)

render: setup-tools ## Write what a cluster would get to rendered/local.yaml and rendered/production.yaml
	@mkdir -p rendered && for overlay in local production; do .venvs/tools/bin/kubectl kustomize manifests/overlays/$$overlay >rendered/$$overlay.yaml || exit 1; done
	@grep -c '^kind:' rendered/*.yaml

bench: setup setup-ray ## Measure, side by side, and print a table
	@$(RUN) -m bench

fraud-report: setup ## Run labelled attacks through the fraud job and print how many it sees: [SEED=1]
	@$(RUN) -m tools.fraud.report $(if $(SEED),--seed $(SEED))

recommender-benchmark: setup-ray ## Train and test the recommender on your files: SESSIONS=train.txt.gz TEST=queries.tsv.gz OUT=result.json [TRIALS=0]
	@$(if $(and $(SESSIONS),$(TEST),$(OUT)),.venvs/ray/bin/python -m ray_apps.jobs.benchmark --sessions "$(SESSIONS)" --test "$(TEST)" --out "$(OUT)" --trials "$(TRIALS)",echo "error: name three files, e.g. make recommender-benchmark SESSIONS=train_sessions.txt.gz TEST=test_queries.tsv.gz OUT=result.json" >&2; exit 2)

faults: setup ## The long tests: kill each part during work, send a million events, train and roll out
	@$(RUN) -m pytest tests/faults
	@$(RUN) -m pytest tests/tools tests/end_to_end -m long

docs: setup-tools ## Write the generated pages of docs/ anew
	@$(RUN) -m tools.docs

lock: setup-tools ## Resolve all requirements anew and write the lock files
	@$(PYTHON) -m tools.localstack.lock

clean: ## Stop the stack and delete its state, the environments and the jars
	@if [ -x $(RUN) ]; then $(RUN) -m tools.localstack clean; fi; rm -rf .venvs .jars .tools rendered

setup:
	@$(PYTHON) -m tools.localstack.bootstrap

setup-tools:
	@$(PYTHON) -m tools.localstack.bootstrap tools

setup-ray:
	@$(PYTHON) -m tools.localstack.bootstrap ray

setup-checks:
	@$(PYTHON) -m tools.localstack.bootstrap tools airflow manifests
