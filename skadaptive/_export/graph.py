"""Nodes and constants of an ONNX graph, while it is built.

Tensors are known by their names. Numbers are float64 unless a function says otherwise,
because scaling and encoding run in float64 in the fitted models: a narrow bin would
magnify the rounding of float32.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Versions of the operators, by domain. onnxruntime runs these since its release 1.15.
OPSETS = {"": 18, "ai.onnx.ml": 3}
# Version of the file format that goes with these operators.
_IR_VERSION = 8

# Name of the dimension of the rows.
_ROWS = "n"


@dataclass
class Graph:
    """An ONNX graph that grows node by node.

    Attributes
    ----------
    prefix : str
        Beginning of the names of all tensors that are no inputs.
    inputs : dict of str to (str, int)
        Type ("number" or "text") and number of columns of each input, in order. The
        type is None for a column of which nothing has been read.
    nodes, constants : list of onnx.NodeProto, list of onnx.TensorProto
    """

    prefix: str = ""
    inputs: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def new_name(self, stem: str) -> str:
        """A name that no tensor has."""
        name = f"{self.prefix}{stem}_{len(self.nodes) + len(self.constants)}"
        while name in self.inputs:
            name += "_"
        return name

    def constant(self, values: Any) -> str:
        """Add a constant, and return its name.

        Parameters
        ----------
        values : array-like
            Floats of Python become float64, ints int64, and texts strings.
        """
        from onnx import numpy_helper

        array, name = np.asarray(values, order="C"), self.new_name("constant")
        if array.dtype.kind == "U":
            array = array.astype(object)
        tensor = numpy_helper.from_array(array, name)
        self.constants.append(tensor)
        return name

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node with one output, and return the name of that.

        Parameters
        ----------
        kind : str
            Operator; with its domain and a colon in front if it is none of ONNX itself.
        *inputs : str or array-like
            Names of tensors, or constants.
        **attributes
            Attributes of the node.
        """
        from onnx import helper

        domain, _, operator = kind.rpartition(":")
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        output = self.new_name(operator)
        node = helper.make_node(
            operator, names, [output], name=output, domain=domain, **attributes
        )
        self.nodes.append(node)
        return output

    def cast(self, x: str, dtype: Any) -> str:
        """Convert a tensor to a dtype of NumPy."""
        from onnx import helper

        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", x, to=to)

    def joined(self, tensors: list[str]) -> str:
        """Columns side by side."""
        return tensors[0] if len(tensors) == 1 else self.op("Concat", *tensors, axis=-1)

    def both_classes(self, logits: str) -> str:
        """Probabilities of two classes, (..., 2), from the logits of the second."""
        return self.op("Sigmoid", self.joined([self.op("Neg", logits), logits]))

    def read(self, name: str, kind: str) -> str:
        """Note what an input is read as.

        Raises
        ------
        ValueError
            If the same input is read as numbers and as texts.
        """
        known, width = self.inputs[name]
        if known not in (None, kind):
            raise ValueError(
                f"Column {name!r} is used both as numbers and as texts, but an input "
                "of a graph has one type. Give the second use a column of its own."
            )
        self.inputs[name] = kind, width
        return name

    def model(self, output: str, n_columns: int, name: str) -> Any:
        """The model of the nodes so far.

        Parameters
        ----------
        output : str
            The only output, of type float32.
        n_columns : int
            Its number of columns.
        name : str
            Name that the output gets.

        Returns
        -------
        onnx.ModelProto
        """
        from onnx import TensorProto, helper

        from .._version import __version__

        while name in self.inputs:
            name += "_"
        self.nodes.append(helper.make_node("Identity", [output], [name], name=name))
        types = {"text": TensorProto.STRING, "number": TensorProto.FLOAT}
        graph = helper.make_graph(
            self.nodes,
            "skadaptive",
            [
                helper.make_tensor_value_info(
                    column, types[kind or "number"], [_ROWS, width]
                )
                for column, (kind, width) in self.inputs.items()
            ],
            [
                helper.make_tensor_value_info(
                    name, TensorProto.FLOAT, [_ROWS, n_columns]
                )
            ],
            self.constants,
        )
        return helper.make_model(
            graph,
            producer_name="skadaptive",
            producer_version=__version__,
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in OPSETS.items()],
        )
