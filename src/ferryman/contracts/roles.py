"""Names of the roles, as used in message headers, configuration and logs."""

from __future__ import annotations

SM_DP = "sm-dp"
SM_SR = "sm-sr"
CRYPTO_SERVER = "crypto-server"
TRANSPORT_SMS = "transport-sms"
TRANSPORT_HTTPS = "transport-https"
SOAP_GATEWAY = "soap-gateway"
REST_API = "rest-api"
OPERATOR = "operator"  # the caller behind the command line; not a process
