"""The gateway's spans: one per request, to an OTLP endpoint, and the traceparent that services go on with.

Whether a request is traced is decided here, by a share of trace ids. A client may bring a trace along; that its flag
says "sampled" decides nothing and is taken back, so that it decides nothing behind the gateway either.
"""

from __future__ import annotations

from lumi_envoy.clusters import OTLP
from lumi_envoy.envoy import Json, message, typed
from lumi_envoy.settings import Settings

_BEFORE_THE_FLAGS = 52  # characters of a traceparent: version, trace and parent


def tracing(settings: Settings) -> Json:
    """What the connection manager is told about spans; nothing without an endpoint."""
    if not settings.otlp_endpoint:
        return {}
    share = {"numerator": round(settings.trace_ratio * 1_000_000), "denominator": "MILLION"}
    provider = typed(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        grpc_service={"envoy_grpc": {"cluster_name": OTLP}, "timeout": "2s"},
        service_name="lumi-gateway",
        sampler=typed(
            "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
            "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
            sampling_percentage=share,
        ),
    )
    own = message("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", use_request_id_for_trace_sampling=False)
    blank = [{"tag": tag, "literal": {"value": "-"}} for tag in ("user_agent", "peer.address")]
    return {
        # Whose request it is stays out of it, and so does the path, whose query may say anything.
        "tracing": {"provider": provider, "max_path_tag_length": 1, "custom_tags": blank},
        "request_id_extension": {"typed_config": own},  # there are no request ids of Envoy's: the sampler decides
    }


def sampled_flag_taken_back() -> Json:
    """The header mutation that leaves a client's traceparent its trace and parent, and unsampled."""
    value = f"%REQ(TRACEPARENT):{_BEFORE_THE_FLAGS}%-00"
    return {"append": {"header": {"key": "traceparent", "value": value}, "append_action": "OVERWRITE_IF_EXISTS"}}
