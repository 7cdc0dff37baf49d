"""TLS-PSK module towards eUICCs: remote administration over HTTP (GP Amendment B, SGP.02 ES5).

It faces the Internet, so it holds only what that place needs: one key for the length of one handshake.
"""
