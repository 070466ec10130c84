"""GET /api/mocs/uploads/sessions/:sessionId: the session and its files; DELETE: cancel it."""

from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.GET_SESSION)
def show(api: Application, call: Call[None]) -> Response:
    """200 with the session and its files."""
    return Response(200, api.sessions.get_session(call.user_id, call.session_id))


@app.on(routes.CANCEL_SESSION)
def cancel(api: Application, call: Call[None]) -> Response:
    """204 when every unfinished upload is aborted."""
    api.sessions.cancel_session(call.user_id, call.session_id)
    return Response(204)
