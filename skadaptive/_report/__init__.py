"""The HTML reports of a comparison and of an evaluation.

``pages`` collects the contents of a page, ``charts`` draws its figures, ``advice``
writes its recommendations, ``svg`` and ``formatting`` turn figures and numbers into
text.

May import: everything below ``comparison`` and ``evaluation`` in the layers of
``pyproject.toml``; Matplotlib and Jinja2 only inside functions. It shows the results of
these two modules, but imports them only for type checking.
"""
