"""GET /api/mocs/uploads/sessions/:sessionId: the session and its files; DELETE: cancel it."""

from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint("/api/mocs/uploads/sessions/:sessionId", get_application)


@app.on("GET")
def show(api: Application, call: Call[None]) -> Response:
    """200 with the session and its files."""
    return Response(200, api.sessions.get_session(call.user_id, call.session_id))


@app.on("DELETE")
def cancel(api: Application, call: Call[None]) -> Response:
    """204 when every unfinished upload is aborted."""
    api.sessions.cancel_session(call.user_id, call.session_id)
    return Response(204)
