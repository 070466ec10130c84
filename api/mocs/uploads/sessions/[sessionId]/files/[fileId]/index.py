"""DELETE /api/mocs/uploads/sessions/:sessionId/files/:fileId: abort one upload."""

from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.ABORT_FILE)
def abort(api: Application, call: Call[None]) -> Response:
    """204 when the upload is aborted and the file removed."""
    api.abort.abort_file(call.user_id, call.session_id, call.file_id)
    return Response(204)
