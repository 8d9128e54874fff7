"""The thesis's three branches: changes add up to positions, a place is learned, states follow from a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from vidsal.baselines import build_module, load_model
from vidsal.baselines.fpn_rim.branches import changes_of, position_of, seed_of, seeded_state
from vidsal.baselines.fpn_rim.network import FpnRim

SIZE = (32, 64)


def network(**options: Any) -> FpnRim:
    torch.manual_seed(1)
    made = build_module("fpn_rim", input_dims=SIZE, rim_hidden_size=8, backbone_model="mobilenet_v3_small", **options)
    assert isinstance(made, FpnRim)
    return made.eval()


def test_changes_add_up_to_the_labels_even_at_the_border() -> None:
    labels = torch.tensor([[[-1.0, 1.0], [0.0, 0.25], [1.0, -0.5]]], dtype=torch.float64)
    changes = changes_of(labels, SIZE)
    assert torch.isfinite(changes).all()
    for number in range(3):
        torch.testing.assert_close(position_of(changes[:, : number + 1].sum(1), SIZE), labels[:, number])


def test_a_network_of_changes_moves_on_from_where_it_was() -> None:
    module, x = network(predict_change=True), torch.randn(2, 3, 4, *SIZE)
    with torch.no_grad():
        whole = module.trace(x)
        first = module.trace(x[:, :, :2])
        rest = module.trace(x[:, :, 2:], carry=first.carry)
        assert whole.carry.total is not None
        torch.testing.assert_close(torch.cat((first.gaze, rest.gaze), dim=1), whole.gaze)
        torch.testing.assert_close(position_of(whole.carry.total, SIZE), whole.gaze[:, -1])
        zero = module.multihead_attn.out_proj
        zero.weight.zero_()
        zero.bias.zero_()
        assert not module.trace(x).gaze.any()  # without a change it stays in the middle


def test_a_place_is_learned_and_its_key_is_the_branch_s(tmp_path: Path) -> None:
    plain, module = network(), network(positional_encoding=True)
    keys = [key for key in module.state_dict() if key not in plain.state_dict()]
    assert keys[0] == "fpn.pos_encoding.0"
    assert all(key.startswith("fpn.pos_encoding.") for key in keys)
    frames = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        without = module.tokens(frames)
        module.fpn.pos_encoding[0].add_(1)
        torch.testing.assert_close(module.tokens(frames), without + 1)
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    model = load_model("fpn_rim", tmp_path / "weights.pt", input_dims=SIZE, rim_k=4)
    assert model.module.state_dict().keys() == module.state_dict().keys()


def test_a_state_follows_from_the_name_and_the_frame() -> None:
    assert seed_of("AAW", 90) == 65658790
    hidden, cell = seeded_state(seed_of("AAW", 90), 4000)
    assert abs(float(hidden.mean())) < 0.1
    assert float(cell.std()) == pytest.approx(1, abs=0.05)
    module, like = network(), torch.zeros(1)
    carry = module.seeded([("AAW", 0), ("AAW", 30), ("GGM", 0)], like)
    assert len({tuple(row.tolist()) for row in carry.state.hidden[0]}) == 3
    again = module.seeded([("AAW", 0)], like)
    assert torch.equal(again.state.cell[0, 0], carry.state.cell[0, 0])


@pytest.mark.parametrize("options", [{"predict_change": True}, {"positional_encoding": True}, {"seeded_states": True}])
def test_a_step_of_each_branch_moves_what_it_trains(options: dict[str, bool]) -> None:
    from vidsal.training import load_recipe

    recipe = load_recipe("fpn-rim-gaze-1", smoke=True, input_dims=(32, 32), **options)
    torch.manual_seed(0)
    module = build_module(recipe.model, **recipe.module_options())
    recipe.prepare(module)
    optimizer = recipe.optimizer(module)
    batch = {
        "frames": torch.randn(2, 3, 4, 32, 32),
        "labels": torch.rand(2, 4, 2) * 2 - 1,
        "phase": torch.tensor([[1, 1, 2, 3], [1, 2, 2, 0]]),
        "clips": [("A", 0), ("B", 7)],
    }
    before = {name: value.clone() for name, value in module.state_dict().items()}
    terms = recipe.loss(module, batch)
    torch.autograd.backward(terms["total"])
    optimizer.step()
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert "multihead_attn.out_proj.weight" in moved
    assert ("fpn.pos_encoding.0" in moved) == ("positional_encoding" in options)
    if "predict_change" in options:
        assert terms["total"] == terms["mse"]
