"""The acts of Kazakhstan as the public repositories of github.com/kazakhstan-law hold them: a folder an act, in two languages.

find.py        which folders are acts, and of several versions of one act the newest
pieces.py      Markdown cut into anchors, headings, quotes, rows of tables, paragraphs; text in fixed width made whole
furniture.py   what stands in an act and is no text of it, each counted: notes, contents, forms, and with
approvals.py   blocks of approval and of agreement
signatures.py  offices and names below an act
markdown.py    one language of an act as blocks: headings, paragraphs, rows of tables
pairs.py       points of both languages side by side
read.py        acts as rows: documents, or pairs
"""
