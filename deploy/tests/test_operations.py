"""What the operator's pages say is so: names, values, options and the words of conditions."""

import re
import subprocess

import chart
import pytest

from csi_client import driver

PAGES = sorted((chart.DEPLOY / "operations").glob("*.md"))
ALL = [*PAGES, chart.CHECKOUT / "README.md", chart.CHART / "README.md", chart.DEPLOY / "monitoring" / "README.md"]
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((chart.CHECKOUT / "Sources").rglob("*.swift"))
)


def text(page):
    return page.read_text(encoding="utf-8")


def anchors(page):
    """Of its headings, as they are made of them on the web."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(page):
    return page.relative_to(chart.CHECKOUT).as_posix()


@pytest.mark.parametrize("page", ALL, ids=names)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https://)([^)]+)\)", text(page)):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_index_names_every_page():
    index = text(chart.DEPLOY / "operations" / "README.md")
    assert {name for name in re.findall(r"\]\((\w+\.md)", index)} == {page.name for page in PAGES} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_values_are_the_charts(page):
    known = {".".join(path) for path, _, _ in chart.leaves()}
    for value in re.findall(r"`(?:--set )?((?:alluxio-csi|global)\.[\w.]+)", text(page)):
        assert value in known, value
    for value in re.findall(r"--set ([\w.\-]+)=", text(page)):
        assert value in known, value


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_objects_containers_and_labels_are_the_charts(page):
    objects = chart.objects()
    known = {f"{thing['kind'].lower()}/{thing['metadata']['name']}" for thing in objects}
    for name in re.findall(r"\b((?:deployment|daemonset)/[\w-]+)", text(page)):
        assert name in known, name
    labels = [thing["spec"]["template"]["metadata"]["labels"] for thing in objects if "template" in thing.get("spec", {})]
    for key, value in re.findall(r"--selector ([\w./-]+)=([\w-]+)", text(page)):
        assert any(found.get(key) == value for found in labels), (key, value)
    containers = {part["name"] for thing in objects if "template" in thing.get("spec", {})
                  for part in thing["spec"]["template"]["spec"]["containers"]}
    for name in re.findall(r"--container ([\w-]+)", text(page)):
        assert name in containers, name
    for name in re.findall(r"--namespace (alluxio-[\w-]+)", text(page)):
        assert name == "alluxio-operator"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_files_of_examples_are_there(page):
    for path in re.findall(r"(?:--filename|-k|cd) (deploy/[\w./-]+)", text(page)):
        assert (chart.CHECKOUT / path).exists(), path


def test_commands_are_those_of_the_program():
    commands = {name for page in PAGES for name in re.findall(r"(?:`|-- )alluxio-csi (\w+)", text(page))}
    assert commands
    for command in commands:
        shown = subprocess.run(
            [driver.programs() / "alluxio-csi", command, "--help"], capture_output=True, text=True, timeout=60, check=False)
        assert f"alluxio-csi {command}" in shown.stdout, command


def test_conditions_are_the_drivers_words():
    rows = [line.split("|")[1] for line in text(chart.DEPLOY / "operations" / "conditions.md").splitlines()
            if line.startswith("| `")]
    assert len(rows) > 10
    # Values of the driver stand where the page has dots, numbers of times and commas between them.
    said = re.sub(r"\\\n\s*", "", SOURCES)
    for sentence in re.findall(r"`([^`]+)`", " ".join(rows)):
        for words in re.split(r"[…;:,]| was killed| once| in 10 min", sentence):
            if len(words.split()) >= 3:
                assert words.strip() in said, words


def test_events_are_those_of_the_driver():
    news = (chart.CHECKOUT / "Sources" / "CSIDriver" / "Event" / "VolumeNews.swift").read_text(encoding="utf-8")
    known = re.findall(r'case \w+ = "(\w+)"', news)
    section = text(chart.DEPLOY / "operations" / "conditions.md").partition("## Events")[2]
    assert re.findall(r"^\| (\w+) \| (?:Normal|Warning) \|", section, re.MULTILINE) == known
