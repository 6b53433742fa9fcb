"""The HTML reports: what they say, and what they look like.

May import: everything below ``comparison`` and ``evaluation``, whose results it shows
and whose modules it does not import. Matplotlib and Jinja2 only inside functions.
"""
