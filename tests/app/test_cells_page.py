"""The page of pixel cells without a browser, with the shipped networks."""

import io
import json
import zipfile
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from PIL import Image

from app.components import share
from app.components.settings_form import trained
from app.components.words import method_name
from app.figures.playback import Size
from app.figures.run import CLEANED
from app.state import runs
from app.tasks.cells import close_figure, files, measures, pictures
from app.tasks.cells import figure as architecture
from app.tasks.cells.panel import PANEL
from ipage_core.networks.store import PRETRAINED
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.cells.constraints import LARGEST, mask, region, without_file, written
from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.export import FORMATS, Layout
from ipage_core.tasks.cells.homogenization import homogenize, moduli
from ipage_core.tasks.cells.task import TASK
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, operations
from tests.support.pages import open_page

needs_networks = pytest.mark.skipif(
    not (PRETRAINED / "architecture/inn.safetensors").exists(), reason="no trained network of cells in pretrained/"
)


@pytest.fixture(scope="module")
def run():
    """The default of the page, but for its number of cells: brought to the exact target."""
    return runs.run(DesignRequest.of(TASK, 1.0, method="ipage", n=4, sampling="srs", finish=True))


@pytest.fixture
def app():
    return lambda **query: open_page(**{"task": "architecture", "n": "4", "sampling": "SRS", **query})


def figure(test, name):
    """The figure by its meta: the localization has a target, the canvas does not."""
    specs = [json.loads(chart.proto.spec) for chart in test.get("plotly_chart")]
    return next(spec for spec in specs if name in spec["layout"]["meta"])


def png(pixels, scale=1):
    file = io.BytesIO()
    Image.fromarray(pixels).resize((scale * pixels.shape[1], scale * pixels.shape[0])).save(file, "PNG")
    file.seek(0)
    return file


@needs_networks
def test_the_page_shows_every_frame_the_error_in_step_and_what_is_achieved(app):
    test = app()
    assert not test.exception
    assert not test.error
    drawn = figure(test, "target")
    names = [frame["name"] for frame in drawn["frames"] if frame.get("data")]
    assert names[0] == "posterior"
    assert names[-1] == CLEANED
    assert all(any("z" in trace for trace in frame["data"]) for frame in drawn["frames"] if frame.get("data"))
    assert all(one["redraw"] for one in drawn["layout"]["updatemenus"][0]["buttons"][0]["args"][1]["frame"])
    assert any("maximin has no advantage" in c.value for c in test.caption)
    assert test.toggle(key="finish").value
    assert any(m.value.startswith("#### 4 of 4 designs achieve") for m in test.markdown)
    link = dict(parse_qsl(DesignRequest.of(TASK, 1.0, n=4).to_query()))
    assert link["finish"] == "false"
    assert not app(**link).toggle(key="finish").value
    assert test.selectbox(key="method").options == [method_name(name) for name in trained(TASK)]
    assert {"ipage-cinn", "cinn"} <= set(trained(TASK))
    assert test.segmented_control(key="view").options == ["Localization", "Latent design", "Coverage"]


@needs_networks
def test_choosing_looks_closely_and_says_what_omega_said(app, run):
    test = app()
    test.button(key="choose-Lightest").click().run()
    among = run.hit if run.hit.any() else np.ones(run.n, dtype=bool)
    lightest = int(np.where(among, -run.x[-1].mean(1), -np.inf).argmax())
    assert test.session_state.sample == lightest
    assert any(s.value == f"Sample {lightest}" for s in test.subheader)
    assert not test.exception
    shown = " ".join(h.proto.body for h in test.get("html"))
    achieved = run.achieved[lightest]
    assert f"{achieved[1]:.4f}" in shown
    assert f"{achieved[0]:.3f}" in shown
    cell = run.x[-1, lightest]
    cells, y = runs.training("architecture")
    differ = (cells != cell).sum(1)
    assert f"{100 * differ.min() / SIDE**2:.1f} %" in shown
    assert f"of its pixels differ; its y is {y[differ.argmin(), 0]:.2f}" in shown
    thin = measures.thinnest(cell.reshape(SIDE, SIDE))
    assert f"{10 * thin / SIDE:.2g} mm in a cell of 10 mm; tips do not count" in shown
    assert any("The 4 cells, solid dark" in c.value for c in test.caption)
    for name in ("Most isotropic", "Thickest smallest member"):
        test.button(key=f"choose-{name}").click().run()
        assert not test.exception
    test.button(key="keep").click().run()
    assert not test.exception
    assert len(test.session_state.favourites) == 1


@needs_networks
def test_the_latent_view_says_why_it_shows_nothing(app):
    test = app(view="Latent design")
    assert not test.exception
    assert any("maximin has no advantage" in i.value for i in test.info)


@needs_networks
def test_constraints_of_the_address_are_obeyed(app):
    text = "group=pmm; solid=1-32,15-18; void=4-6,4-6"
    test = app(constrain=text, finish="true")
    assert not test.exception
    assert not test.error
    found = runs.run(DesignRequest.of(TASK, 1.0, method="ipage", n=4, sampling="srs", constraints=text, finish=True))
    x = found.x[-1].reshape(-1, SIDE, SIDE)
    assert (x[:, 14:18] == 1).all()
    assert (x[:, 3:6, 3:6] == 0).all()
    for permutation in operations("pmm", SIDE):
        assert (x.reshape(4, -1)[:, permutation] == x.reshape(4, -1)).all()
    assert (found.off_by < 0.01).all()
    assert any(
        "Drag a box over the cell. Of 1024 pixels, 128 solid and 9 void stay so." in c.value for c in test.caption
    )
    test.session_state["share_texts"] = True  # opens the folded part
    command = next(c.value for c in test.run().code if "ipage_core" in c.value)
    assert "--finish" in command
    assert "--constrain=solid=1-32,15-18" in command


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"constrain": "solid=/etc/hostname"}, "'solid=/etc/hostname' is no region: draw it, upload an image, or"),
        ({"constrain": "void=../mask.png"}, "is no region"),
        ({"constrain": "solid=0-40,1-2"}, "expected pixels from 1 to 32"),
        ({"constrain": "solid=pixels:abc"}, "is damaged"),
        ({"constrain": "solid=1-9,1-9; void=5-6,5-6"}, "want the same pixels"),
        ({"constrain": "group=p6"}, "not understood"),
        ({"constrain": "volume<=7"}, "expected a number in (0, 1]"),
        ({"start": "0.5, 0.5"}, "is an image"),
        ({"start": "/etc/hostname"}, "is an image"),
    ],
)
@needs_networks
def test_what_cannot_be_asked_is_one_sentence(app, query, told):
    test = app(**query)
    assert not test.exception
    assert len(test.error) == 1
    assert told in test.error[0].value


def test_a_region_survives_the_address():
    painted = torch.rand(SIDE * SIDE, generator=torch.Generator().manual_seed(0)) > 0.5
    assert (without_file(written(painted)) == painted).all()
    assert len(written(painted)) < 200
    band = region("1-32, 15-18").reshape(SIDE, SIDE)
    assert band[14:18].all()
    assert band.sum() == 4 * SIDE
    assert without_file("mask.png") is None


def test_images_are_checked_before_they_are_decoded():
    painted = np.full((SIDE, SIDE), 255, np.uint8)
    painted[:4, :8] = 0  # upper left in the picture
    found = mask(png(painted, 2), formats=["PNG"]).reshape(SIDE, SIDE)
    assert found[28:, :8].all()
    assert found.sum() == 32
    for content, told in (
        (png(painted[:, :31]), "31 × 32 pixels"),
        (png(np.zeros((LARGEST + SIDE,) * 2, np.uint8)), f"up to {LARGEST}"),
        (io.BytesIO(b"GIF89a not an image"), "cannot be read|can be read"),
    ):
        with pytest.raises(ValueError, match=told):
            mask(content, formats=["PNG"], name="drawing.png")


def test_a_start_of_one_s_own_is_in_link_and_command():
    start = tuple((torch.arange(SIDE * SIDE) % 5 > 0).double().tolist())
    settings = DesignRequest.of(TASK, 1.0, method="ipage", n=4, sampling="srs", start=start, finish=True)
    query = dict(parse_qsl(settings.to_query()))
    assert DesignRequest.from_query(query, {TASK.name: TASK}) == settings
    assert query["finish"] == "true"
    assert "--seed-design seed_design.csv" in settings.to_command()


@needs_networks
def test_the_start_is_the_first_sample_and_the_archive_holds_it(run):
    start = tuple(run.x[-1, 1].astype(float).tolist())
    settings = DesignRequest.of(TASK, 1.0, method="ipage", n=4, sampling="srs", start=start)
    found = runs.of(settings)
    assert found.x[0, 0].tolist() == list(start)
    with zipfile.ZipFile(io.BytesIO(share.archive(settings, found, PANEL.figures))) as file:
        assert {"seed_design.csv", "solutions.csv", "figures/localization.png"} <= set(file.namelist())


@needs_networks
@pytest.mark.parametrize("size", ["narrow", "medium", "wide", "large"])
def test_figures_are_valid_plotly_and_small(run, size):
    import plotly.graph_objects as go

    directions = (measures.ANGLES, np.ones_like(measures.ANGLES))
    for drawn in (
        PANEL.figure(run, size == "wide", Size(size), chosen=1),
        close_figure.closely(run, runs.training(run.task), 1, run.x[-1, 0], directions, False, Size(size)),
        pictures.kept("architecture", [("<b>a</b>", run.x[-1, 0]), ("b", run.x[-1, 1])], False, Size(size)),
        pictures.canvas(np.zeros(SIDE**2, bool), np.ones(SIDE**2, bool), False),
    ):
        go.Figure(**drawn)
        assert len(json.dumps(drawn)) < 2e6


@needs_networks
def test_the_last_frame_is_the_result_and_f_s_error_is_that_of_the_result(run):
    assert np.isin(run.x[-1], (0, 1)).all()
    assert len(run.labels) == len(run.x) == len(run.f_error)
    believed = run.frame[run.frame["stage"] == "localized"]["surrogate1"].to_numpy() - run.aims[:, 0]
    assert run.f_error[-1] == pytest.approx(np.square(believed), rel=1e-4)


@needs_networks
@pytest.mark.parametrize("form", list(FORMATS))
def test_files_carry_the_ids_of_the_csv(run, form):
    layout = Layout((2, 1), 10.0, 4.0)
    with zipfile.ZipFile(io.BytesIO(files.archive(files.cells_of(run), form, layout))) as file:
        assert file.namelist() == [f"cell-{k}.{form}" for k in run.frame["sample"].unique()]
        content = file.read(f"cell-3.{form}")
    again = files.one_file(files.cells_of(run), 3, form, layout)
    assert abs(len(content) - len(again)) <= (16 if form == "dxf" else 0)  # a DXF tells the time, in as many digits
    if form == "stl":
        import trimesh  # half a second, which each process that collects tests would spend

        mesh = trimesh.load(io.BytesIO(content), file_type="stl")
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(run.x[-1, 3].mean() * 20 * 10 * 4, rel=1e-3)


@pytest.mark.parametrize("group", [g for g in GROUPS if g not in ONE_AXIS])
def test_a_symmetry_is_found_wherever_its_origin_lies(group):
    rng = np.random.default_rng(0)
    orbits = operations(group, SIDE).min(axis=0)
    cell = (rng.random(SIDE * SIDE) > 0.5)[orbits].reshape(SIDE, SIDE)
    assert len(operations(measures.symmetry(np.roll(cell, (3, 7), (0, 1))), SIDE)) >= len(operations(group, SIDE))
    assert measures.symmetry(rng.random((SIDE, SIDE)) > 0.5) == "p1"


def test_the_thinnest_member_of_a_laminate_is_its_layer():
    for thick in (1, 3, 10):
        cell = np.zeros((SIDE, SIDE))
        cell[5 : 5 + thick] = 1
        cell[20:31] = 1
        assert measures.thinnest(cell) == thick
    assert measures.thinnest(np.ones((SIDE, SIDE))) == SIDE


def test_moduli_of_an_isotropic_cell_are_the_same_in_all_directions():
    solid = np.packbits(np.ones((1, SIDE * SIDE), bool), axis=1).tobytes()
    assert measures.anisotropy(solid, 1) == pytest.approx([1.0])


def test_the_bound_holds_for_cells_that_are_isotropic():
    pixels, _ = runs.training("architecture")
    some = pixels[:400].reshape(-1, SIDE, SIDE).astype(float)
    found = moduli(homogenize(some))
    isotropic = measures.anisotropy(np.packbits(pixels[:400], axis=1).tobytes(), 400) < 1.05
    assert isotropic.any()
    # one element a pixel overestimates by up to a per cent or so
    assert (found.e_x <= 1.03 * architecture.hashin_shtrikman(some.mean((1, 2))))[isotropic].all()


@needs_networks
def test_finite_element_results_are_offered_to_the_surrogate(app):
    test = app()
    assert not test.exception
    assert test.button(key="learn-architecture").label == "Learn from 4 new FEM results"
