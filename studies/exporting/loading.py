"""How the files of an export are used: the code in its model card."""

from skipsearch.searchspace.assembly.assemble import features
from skipsearch.studies.exporting.facts import Facts, numbers
from skipsearch.studies.exporting.formats import Written
from skipsearch.studies.models.exported_config import timm_name
from skipsearch.studies.models.model import Model, Untrained

WITH_TORCH = """\
`images` are float tensors (B, {shape}): {scaled}.

```python
from model import build  # torch is all that model.py needs
from safetensors.torch import load_file

network = build()
network.load_state_dict(load_file("model.safetensors"))
logits = network.eval()(images)
```"""
WITH_OTHERS = {
    "model.onnx": """\
By ONNX Runtime, batches of any size:

```python
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
logits = session.run(None, {"images": images.numpy()})[0]
```""",
    "model.pt2": """\
By torch without any code of the model, batches of any size:

```python
import torch

logits = torch.export.load("model.pt2").module()(images)
```""",
}
WITH_TIMM = """\
By timm, under the name `{name}`; another `num_classes` gives it a new classifier:

```python
import model
import timm

model.register_with_timm()
network = timm.create_model("local-dir:.", pretrained=True)
```"""
AS_BACKBONE = """\
As a detector's backbone (`network.forward_features(images)` has these maps, and the stem's):

```python
from model import backbone
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

maps = backbone(network)  # by name, of stages 1 to {stages}
body = nn.Sequential(maps, FeaturePyramidNetwork(maps.channels, 256))
body.out_channels = 256
sizes = tuple((2 ** (stage + 4),) for stage in maps.stages)
anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
detector = FasterRCNN(body, num_classes=91, rpn_anchor_generator=anchors)
```"""


def loading(facts: Facts) -> list[str]:
    """How to use the files, from the folder itself: code that runs."""
    model = facts.model
    shape = ", ".join(map(str, model.inputs.shape))
    stages = len(features(model.arch).channels) - 1
    written = {one.file for one in facts.outcomes if isinstance(one, Written)}
    parts = ["## Load it", WITH_TORCH.format(shape=shape, scaled=_scaled(model))]
    parts += [text for file, text in WITH_OTHERS.items() if file in written]
    parts.append(WITH_TIMM.format(name=timm_name(model.name)))
    return [*parts, AS_BACKBONE.format(stages=stages)]


def _scaled(model: Model) -> str:
    if isinstance(model.origin, Untrained):
        return "pixels from 0 to 1, or normalised as you train it"
    mean, std = numbers(model.inputs.mean), numbers(model.inputs.std)
    return f"pixels from 0 to 1, less the mean {mean}, over the deviation {std}, by channel"
