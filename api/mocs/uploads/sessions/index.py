"""POST /api/mocs/uploads/sessions: create a session."""

from lib.domain.models import CreateSession
from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.CREATE_SESSION)
def create(api: Application, call: Call[CreateSession]) -> Response:
    """201 with the new session."""
    return Response(201, api.sessions.create_session(call.user_id, call.body))
