"""HTTPS for clients, and TLS to the services, with certificates that may change while the gateway serves.

Envoy watches only those of which a file of its own tells, the secrets file; that lies beside the configuration. Whoever
renews one moves the new files to their place, or the folder's link as Kubernetes does: connections from then on get the
new one, those that are open go on. A certificate that does not fit its key is not taken.
"""

from __future__ import annotations

import json
from pathlib import Path

from lumi_envoy.envoy import Json, message, typed
from lumi_envoy.settings import TLS_FILES, Settings

CERTIFICATE, AUTHORITY = "clients", "services"  # the secrets' names

# TLS 1.2 with forward secrecy and authenticated encryption alone; of 1.3 all suites are good.
CIPHERS = (
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)


def secrets_file(configuration: Path) -> Path:
    """Where the secrets file of a configuration lies."""
    return configuration.resolve().with_suffix(".secrets.json")


def secrets(settings: Settings) -> str:
    """The secrets file: the names of the files, never what is in them. Empty when there is nothing to name."""
    found = []
    if settings.gateway_tls:
        certificate, key = (str(settings.gateway_tls.absolute() / name) for name in TLS_FILES)
        chain = {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
        found.append(_secret(CERTIFICATE, "tls_certificate", chain, watched=settings.gateway_tls))
    if settings.upstreams_ca:
        file = settings.upstreams_ca.absolute()
        found.append(_secret(AUTHORITY, "validation_context", {"trusted_ca": {"filename": str(file)}}, file.parent))
    return json.dumps({"resources": found}, indent=1) + "\n" if found else ""


def _secret(name: str, kind: str, files: Json, watched: Path) -> Json:
    fields = {"name": name, kind: {**files, "watched_directory": {"path": str(watched.absolute())}}}
    return message("envoy.extensions.transport_sockets.tls.v3.Secret", **fields)


def for_clients(file: Path) -> Json:
    """What a listener's filter chain is told, so that it speaks TLS with the certificate of that secrets file."""
    return typed(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_2",
                "tls_maximum_protocol_version": "TLSv1_3",
                "cipher_suites": list(CIPHERS),
            },
            "tls_certificate_sds_secret_configs": [_told_by(file, CERTIFICATE)],
        },
    )


def for_services(context: str, file: Path) -> Json:
    """What a service's cluster is told, so that it speaks TLS with that service and with no other."""
    identity = {"san_type": "URI", "matcher": {"exact": f"lumi://{context}"}}
    return typed(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [identity]},
                "validation_context_sds_secret_config": _told_by(file, AUTHORITY),
            },
        },
    )


def _told_by(file: Path, name: str) -> Json:
    return {"name": name, "sds_config": {"path_config_source": {"path": str(file)}, "resource_api_version": "V3"}}
