"""The acts of Kazakhstan as the public repositories of github.com/kazakhstan-law hold them: a folder an act, in two languages.

find.py        which folders are acts, and of several versions of one act the newest
markdown.py    one language of an act as blocks: headings, paragraphs, rows of tables; what is no text of the act is counted
pairs.py       points of both languages side by side
read.py        acts as rows: documents, or pairs
"""
