"""GET /api/health: whether the database and the bucket can be reached."""

from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint("/api/health", get_application, public=True)


@app.on("GET")
def check(api: Application, _: Call[None]) -> Response:
    """200 when both answer, 503 otherwise."""
    health = api.health.check_health()
    return Response(200, health) if health.status == "ok" else Response(503, health, {"Retry-After": "5"})
