"""POST /api/mocs/uploads/sessions/:sessionId/files/:fileId/complete: assemble the file."""

from lib.domain.models import CompleteFile
from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.COMPLETE_FILE)
def complete(api: Application, call: Call[CompleteFile]) -> Response:
    """200 with where the file is."""
    return Response(200, api.completion.complete_file(call.user_id, call.session_id, call.file_id, call.body))
