# The verbs of the project; `make` alone prints them. Each verb sets up what it needs first, once.
PYTHON ?= $(or $(CLICKSTREAM_PYTHON),python3)
MAPPING ?= rees46
N ?= 50
TRIALS ?= 0
# Servers on this machine are never asked through a proxy. Libraries differ in which of both spellings they read.
comma := ,
LOOPBACK := 127.0.0.1,localhost,::1
ifeq ($(findstring $(LOOPBACK),$(NO_PROXY)),)
export NO_PROXY := $(NO_PROXY)$(if $(NO_PROXY),$(comma))$(no_proxy)$(if $(no_proxy),$(comma))$(LOOPBACK)
endif
export no_proxy := $(NO_PROXY)
export PYTHONPATH := $(CURDIR):$(CURDIR)/contracts
# Any Python of the machine runs the set-up; the environments get 3.11 or 3.12, from the machine or from uv.
NEEDS_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || \
  { echo "error: $(PYTHON) is no Python 3.8 or newer: install one, or set CLICKSTREAM_PYTHON=/path/to/python3" >&2; exit 1; }
SET_UP = $(NEEDS_PYTHON); $(PYTHON) -m tools.localstack.bootstrap
RUN := .venvs/tools/bin/python
PACKAGES := contracts plugins dags spark_apps flink_apps ray_apps tools scripts tests bench

.DEFAULT_GOAL := help
.PHONY: help cli demo test test-kubernetes check up down restart status doctor logs replay render images bench fraud-report recommender-benchmark faults docs lock clean \
  setup setup-tools setup-checks setup-ray test-spark test-packages test-engines check-tools check-airflow-manifests

help: ## Print the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-21s %s\n", $$1, $$2}'

cli: setup-tools ## Make the command line's environment, and nothing else: ./clickstream --help

demo: setup ## Start everything, send simulated days, publish, train, roll out and print what happened
	@./clickstream demo

test: setup setup-ray setup-checks ## All tests, engines included
	@$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) test-spark test-packages test-engines
	@$(RUN) -m pytest $(ENGINE_TESTS) -m "stack and not long" --durations=15

ENGINE_TESTS := tests/tools tests/end_to_end tests/faults

# Two of these run at a time: one alone often waits for an engine to start. The tests of the whole stack run alone after them.
test-spark:
	@.venvs/spark/bin/python -m pytest tests/spark_apps -m "not long" --durations=15

test-engines:
	@$(RUN) -m pytest $(ENGINE_TESTS) -m "engine and not stack and not long" --durations=15

test-packages:
	@$(RUN) -m pytest tests/test_imports.py tests/contracts tests/tools -m "not engine"
	@.venvs/airflow/bin/python -m pytest tests/dags tests/plugins
	@.venvs/flink/bin/python -m pytest tests/flink_apps
	@$(RUN) -m pytest tests/manifests
	@.venvs/ray/bin/python -m pytest tests/ray_apps

check: setup-checks ## Lint, types, import rules and unit tests; starts no engine
	@.venvs/tools/bin/ruff check . && .venvs/tools/bin/ruff format --check . && .venvs/tools/bin/mypy $(PACKAGES)
	@$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) check-tools check-airflow-manifests

check-tools:
	@$(RUN) -m pytest tests/test_imports.py tests/contracts tests/tools -m "not engine"

check-airflow-manifests:
	@.venvs/airflow/bin/python -m pytest tests/dags tests/plugins -m "not engine"
	@$(RUN) -m pytest tests/manifests

up: setup ## Start the local stack and wait until it is healthy (ONLY=s3,nessie,kafka starts these)
	@./clickstream stack up --only "$(ONLY)"

down: ## Stop the local stack; the data stays
	@./clickstream stack down

status: ## Each component's state, address and memory, and where the logins are
	@./clickstream stack status

doctor: ## What this machine lacks and what is stuck, each with its fix
	@./clickstream stack doctor

restart: ## Restart a component of the running stack: PART=serve
	@$(if $(PART),./clickstream stack restart $(PART),echo "error: name a component, e.g. make restart PART=serve" >&2; exit 2)

logs: ## The end of a component's log: PART=kafka [N=50] [FOLLOW=1]
	@$(if $(PART),./clickstream stack logs $(PART) -n $(N) $(if $(FOLLOW),--follow),echo "error: name a component, e.g. make logs PART=kafka" >&2; exit 2)

replay: setup ## Send your own event file: FILE=events.csv.gz [MAPPING=rees46]
	@$(if $(FILE),./clickstream replay --file "$(FILE)" --mapping "$(MAPPING)",echo "error: name a file, e.g. make replay FILE=events.csv.gz MAPPING=rees46" >&2; exit 2)

render: setup-tools ## Render the manifests to rendered/local.yaml and rendered/production.yaml
	@mkdir -p rendered && for overlay in local production; do .venvs/tools/bin/kubectl kustomize manifests/overlays/$$overlay >rendered/$$overlay.yaml || exit 1; done
	@grep -c '^kind:' rendered/*.yaml

images: ## Build all images, and load or push them: [LOAD=kind|minikube|containerd] [REGISTRY=host/path]
	@scripts/build-images.sh $(if $(LOAD),--load $(LOAD)) $(if $(REGISTRY),--registry $(REGISTRY) --push)

bench: setup setup-ray ## Measure, side by side, and print a table
	@$(RUN) -m bench

fraud-report: setup ## Run labelled attacks through the fraud rules and print how many are detected: [SEED=1]
	@./clickstream fraud-report $(if $(SEED),--seed $(SEED))

recommender-benchmark: setup-ray ## Train and test the recommender on your files: SESSIONS=train.txt.gz TEST=queries.tsv.gz OUT=result.json [TRIALS=0]
	@$(if $(and $(SESSIONS),$(TEST),$(OUT)),.venvs/ray/bin/python -m ray_apps.jobs.benchmark --sessions "$(SESSIONS)" --test "$(TEST)" --out "$(OUT)" --trials "$(TRIALS)",echo "error: name three files, e.g. make recommender-benchmark SESSIONS=train_sessions.txt.gz TEST=test_queries.tsv.gz OUT=result.json" >&2; exit 2)

faults: setup ## The long tests: kill each component during work, send a million events, train and roll out
	@$(RUN) -m pytest tests/faults
	@$(RUN) -m pytest tests/tools tests/end_to_end -m long
	@.venvs/spark/bin/python -m pytest tests/spark_apps -m long

test-kubernetes: setup-checks ## The whole chain as pods, kills, upgrade, teardown: TEST_KUBECONFIG=file of a throw-away cluster [K=expression]
	@$(if $(TEST_KUBECONFIG)$(TEST_CLUSTER),$(RUN) -m pytest tests/cluster -s $(if $(K),-k "$(K)"),echo "error: name a throw-away cluster, e.g. make test-kubernetes TEST_KUBECONFIG=kubeconfig.yaml" >&2; exit 2)

docs: setup-tools ## Write the generated pages of docs/
	@./clickstream docs

lock: setup-tools ## Resolve all requirements again and write the lock files
	@$(PYTHON) -m tools.localstack.lock

clean: ## Stop the stack and delete all that the verbs have made, but backups and benchmarks' results
	@./clickstream stack clean
	@rm -rf .venvs .jars .tools .operators rendered .stack-test-logs .pytest_cache .mypy_cache .ruff_cache
	@find $(wildcard $(PACKAGES)) -name __pycache__ -prune -exec rm -rf {} +

setup: ## Make all environments and download the jars
	@$(SET_UP)

setup-tools:
	@$(SET_UP) tools

setup-ray:
	@$(SET_UP) ray

setup-checks:
	@$(SET_UP) tools airflow manifests
