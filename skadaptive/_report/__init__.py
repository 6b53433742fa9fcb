"""The HTML reports of a comparison and of an evaluation.

``pages`` collects what a page says, ``charts`` draws its figures, ``advice`` words its
recommendations, ``svg`` and ``formatting`` turn figures and numbers into text.

May import: everything below ``comparison`` and ``evaluation``, whose results it shows
and whose modules it imports only for type checking. Matplotlib and Jinja2 only inside
functions.
"""
