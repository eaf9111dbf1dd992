"""A server that answers for a release over HTTP, with a page for people. It only reads the store.

`server` binds and runs, `app` names the routes, `handlers` answers them, `loaded_releases` holds the release
and replaces it when the champion changes, and `admission` admits requests.
"""
