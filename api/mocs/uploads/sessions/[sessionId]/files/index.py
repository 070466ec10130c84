"""POST /api/mocs/uploads/sessions/:sessionId/files: register one file."""

from lib.domain.models import FileMetadata
from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.REGISTER_FILE)
def register(api: Application, call: Call[FileMetadata]) -> Response:
    """201 with the file, its upload and its URLs; 200 if its upload was there already."""
    registered = api.registration.register_file(call.user_id, call.session_id, call.body)
    return Response(201 if registered.started else 200, registered.file)
