"""GET /api/health: whether the database and the bucket can be reached, as of at most 5 s ago."""

from lib.domain.errors import Reason
from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.CHECK_HEALTH)
def check(api: Application, _: Call[None]) -> Response:
    """200 when both answer, 503 otherwise."""
    retry_after = {"Retry-After": str(Reason.STORAGE_UNAVAILABLE.retry_after)}
    health = api.health.check_health()
    return Response(200, health) if health.status == "ok" else Response(503, health, retry_after)
