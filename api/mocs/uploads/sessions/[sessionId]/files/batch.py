"""POST /api/mocs/uploads/sessions/:sessionId/files/batch: register many files."""

from lib.domain.models import RegisterBatch
from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.BATCH_REGISTER_FILES)
def register(api: Application, call: Call[RegisterBatch]) -> Response:
    """201 with a result for each file; 207 if any of them failed."""
    batch = api.registration.batch_register_files(call.user_id, call.session_id, call.body)
    return Response(207 if batch.failed else 201, batch)
