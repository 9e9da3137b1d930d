# Every habit of this repository. The first time: `python3 -m infra.bootstrap RECIPE`.

set windows-shell := ["powershell.exe", "-NoLogo", "-NoProfile", "-Command"]

bin := if os_family() == "windows" { ".venv/Scripts/" } else { ".venv/bin/" }
python := bin + "python"
tiger := bin + "tiger-mcp"

# List the recipes
default:
    @{{ bin }}just --list

# Make .venv and install everything that is pinned
setup:
    @{{ python }} -m infra.bootstrap --version

# Show the whole way of an order on a sandbox of its own
demo *ARGUMENTS:
    @{{ tiger }} demo {{ ARGUMENTS }}

# Start the local cluster, or join it
up:
    @{{ tiger }} up

# Stop the local cluster
down:
    @{{ tiger }} down

# Show each process of the cluster
status *ARGUMENTS:
    @{{ tiger }} status {{ ARGUMENTS }}

# Show the processes' logs
logs *ARGUMENTS:
    @{{ tiger }} logs {{ ARGUMENTS }}

# Stop sending orders of an account and cancel what is open
halt ACCOUNT *ARGUMENTS:
    @{{ tiger }} halt {{ ACCOUNT }} {{ ARGUMENTS }}

# Lift a halt
resume ACCOUNT *ARGUMENTS:
    @{{ tiger }} resume {{ ACCOUNT }} {{ ARGUMENTS }}

# Take an order in doubt off the books
release ACCOUNT ORDER_ID *ARGUMENTS:
    @{{ tiger }} release {{ ACCOUNT }} {{ ORDER_ID }} {{ ARGUMENTS }}

# Show facts as they are stored
events *ARGUMENTS:
    @{{ tiger }} events tail {{ ARGUMENTS }}

# Serve one MCP client over stdio
serve:
    @{{ tiger }} serve

# Run the cluster in the foreground, until Ctrl-C
cluster:
    @{{ python }} -P -m infra.supervisor

# Run the sandbox broker alone
sandbox *ARGUMENTS:
    @{{ tiger }} sandbox {{ ARGUMENTS }}

# Write the table of the SDK's methods into docs/sandbox.md
sandbox-methods:
    @{{ python }} -m tests.support.sdk_methods

# Print the server's configuration
nats-config:
    @{{ tiger }} nats config

# Measure the budgets
bench *ARGUMENTS:
    @{{ tiger }} bench {{ ARGUMENTS }}

# Run the tests
[no-exit-message]
test *ARGUMENTS:
    @{{ python }} -m pytest {{ ARGUMENTS }}

# Try every property on examples that no run has seen
[no-exit-message]
properties *ARGUMENTS:
    @{{ python }} -m pytest -m hypothesis --hypothesis-profile explore {{ ARGUMENTS }}

# Kill processes at bad moments and look at what is left
chaos *ARGUMENTS:
    @{{ python }} -m pytest tests/chaos --chaos-orders 1000 {{ ARGUMENTS }}

# Run the service in a simulated world, one seed after another
simulate *ARGUMENTS:
    @{{ python }} -P -m tests.simulation {{ ARGUMENTS }}

# Take one rule out after another, and show the seed that finds it
mutants *ARGUMENTS:
    @{{ python }} -P -m tests.simulation --mutant all {{ ARGUMENTS }}

# Draw the life of an order anew from the desk's table
order-states:
    @{{ python }} -P -m tests.support.order_diagram

# Write docs/tools.md from the tools; --record plays its examples anew first
tools-doc *ARGUMENTS:
    @{{ python }} -P -m tests.support.tool_docs {{ ARGUMENTS }}

# Do every written task and write what each took into docs/tasks.md
tasks:
    @{{ python }} -P -m tests.e2e.tasks

# Walk over every tool in both eras with sensible to hostile calls
walk *ARGUMENTS:
    @{{ python }} -m pytest tests/e2e/test_tool_walk.py --walk-calls 5000 {{ ARGUMENTS }}

# Let the protocol's own suite and the Inspector judge the server
conformance *ARGUMENTS:
    @{{ python }} -m pytest tests/conformance {{ ARGUMENTS }}

# Write the results of both into docs/conformance.md
conformance-docs:
    @{{ python }} -P -m tests.conformance

# Say what is wrong on this machine
doctor *ARGUMENTS:
    @{{ tiger }} doctor {{ ARGUMENTS }}

# Write wheel and bundle into dist
package:
    @{{ python }} -m hatchling build -t wheel
    @{{ python }} -m infra.packaging

# Put the code into shape
format:
    @{{ bin }}ruff format .
    @{{ bin }}ruff check --fix .

# Look for faults that need no run
lint:
    @{{ bin }}ruff format --check .
    @{{ bin }}ruff check .
    @{{ bin }}bandit -q -r core adapters projections infra -c pyproject.toml

# Check the types
types:
    @{{ bin }}mypy

# All that must hold before a change is offered
check: lint types
    @{{ python }} -m pytest --cov

# Pin the dependencies anew (needs uv on the path)
lock:
    uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock
    @{{ python }} -c "from pathlib import Path; p = Path('requirements.lock'); p.write_text('# Made by the recipe lock from pyproject.toml; do not edit.\n' + p.read_text())"
