"""Features that belong together: the columns of one category, and correlated columns.

A *unit* is what one contribution is for: a column, the one-hot columns of a category,
or columns that the user put together. A *group* is what is permuted together: a unit,
or several whose columns are correlated.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from scipy.stats import rankdata

from .._messages import shown

# Rows from which correlations are told, drawn at random: tables are often sorted.
_MOST_ROWS = 5_000


def make_units(table, told=None):
    """Divide the columns of a table into units.

    One-hot columns are neighbouring columns of 0 and 1 of which exactly one is 1 in
    every row, or in a DataFrame at most one, where their names also agree up to the
    last underscore or equals sign.

    Parameters
    ----------
    table : MixableTable
    told : dict of str to list of column names or numbers, default=None
        Columns that the user put together, by the name of the unit.

    Returns
    -------
    dict of str to list of int
        Numbers of the columns of each unit, by its name, in the order of the table.

    Raises
    ------
    ValueError
        If ``told`` names a column that does not exist, or one twice.
    """
    units = _checked(table, told)
    taken = {index for columns in units.values() for index in columns}
    for columns in _one_hot(table, taken):
        units[_common_name(table, columns)] = columns
        taken.update(columns)
    units |= {table.names[i]: [i] for i in range(len(table.names)) if i not in taken}
    return dict(sorted(units.items(), key=lambda unit: unit[1][0]))


def correlated_groups(table, units, max_correlation):
    """Put correlated units together.

    The absolute Spearman correlation of any two features of a group exceeds the bound
    (complete linkage). Missing values have the mean rank. Units of several columns,
    and columns that are no numbers, stay alone.

    Parameters
    ----------
    table : MixableTable
    units : dict of str to list of int
    max_correlation : float or None
        None puts no units together.

    Returns
    -------
    dict of tuple of str to list of int
        Numbers of the columns of each group, by the names of its units.
    """
    alone = {(name,): columns for name, columns in units.items()}
    if max_correlation is None:
        return alone
    single = [
        name
        for name, columns in units.items()
        if len(columns) == 1 and table.is_number(columns[0])
    ]
    if len(single) < 2:
        return alone
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    rows = np.arange(len(table))
    if len(rows) > _MOST_ROWS:
        rows = np.random.default_rng(0).choice(rows, _MOST_ROWS, replace=False)
    ranks = np.column_stack([_ranks(table, units[name][0], rows) for name in single])
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(np.abs(np.corrcoef(ranks, rowvar=False)))
    distance = np.clip(1 - correlation, 0, 1)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "complete")
    # Just below the bound, because fcluster takes equal distances as well.
    cluster = fcluster(tree, np.nextafter(1 - max_correlation, 0), "distance")
    members = {}
    for name, number in zip(single, cluster, strict=True):
        members.setdefault(number, []).append(name)
    group_of = {name: tuple(names) for names in members.values() for name in names}
    groups = {}
    for name, columns in units.items():
        groups.setdefault(group_of.get(name, (name,)), []).extend(columns)
    return groups


def _checked(table, told):
    units, seen = {}, {}
    if told is not None and not isinstance(told, Mapping):
        raise ValueError(
            "feature_groups must be a dict of lists of columns, by the name of the "
            f"group; got {shown(told)}."
        )
    for name, columns in (told or {}).items():
        if isinstance(columns, str) or not isinstance(columns, Iterable):
            raise ValueError(
                f"feature_groups[{name!r}] must be a list of columns; got "
                f"{shown(columns)}."
            )
        numbers = []
        for column in columns:
            try:
                index = table.index_of(column)
            except ValueError as error:
                raise ValueError(f"feature_groups[{name!r}]: {error}") from None
            if index in seen:
                raise ValueError(
                    f"feature_groups names the column {table.names[index]!r} twice, in "
                    f"{seen[index]!r} and in {name!r}."
                )
            seen[index] = name
            numbers.append(index)
        if not numbers:
            raise ValueError(f"feature_groups[{name!r}] holds no column.")
        units[str(name)] = sorted(numbers)
    clash = [
        name
        for name in units
        if name in table.names and table.names.index(name) not in units[name]
    ]
    if clash:
        raise ValueError(
            f"feature_groups calls a group {clash[0]!r}, the name of a column that is "
            "not in it. Choose another name."
        )
    return units


def _one_hot(table, taken):
    """Yield the columns of each category that is one-hot encoded."""
    binary = {}
    for index in range(len(table.names)):
        if index not in taken and table.is_number(index):
            values = table.numbers(index)
            if np.isin(values, (0, 1)).all() and values.any():
                binary[index] = values
    index, n_columns = 0, len(table.names)
    while index < n_columns:
        length = _run(table, binary, index)
        if length > 1:
            yield list(range(index, index + length))
        index += max(1, length)


def _run(table, binary, start):
    """Number of one-hot columns of one category from a column on; 0 if there is none.

    The shortest run that fills every row counts, or else the longest of one name.
    """
    total, length, stem = 0.0, 0, _stem(table, start)
    named = 0
    while start + length in binary:
        total = total + binary[start + length]
        if total.max() > 1:
            break
        length += 1
        if total.min() == 1:
            return length
        if named == length - 1 and stem and _stem(table, start + length - 1) == stem:
            named = length
    return named


def _stem(table, index):
    """The name of a column up to its last underscore or equals sign, or ""."""
    if not hasattr(table.X, "columns"):
        return ""
    name = table.names[index]
    return name[: max(name.rfind("_"), name.rfind("="), 0)]


def _common_name(table, columns):
    stems = {_stem(table, index) for index in columns}
    stem = stems.pop() if len(stems) == 1 else ""
    if stem and stem not in table.names:
        return stem
    return f"{table.names[columns[0]]} to {table.names[columns[-1]]}"


def _ranks(table, index, rows):
    values = table.numbers(index)[rows]
    present = ~np.isnan(values)
    ranks = np.full(len(values), (present.sum() + 1) / 2)
    ranks[present] = rankdata(values[present])
    return ranks
