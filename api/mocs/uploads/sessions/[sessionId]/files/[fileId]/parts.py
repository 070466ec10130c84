"""GET /api/mocs/uploads/sessions/:sessionId/files/:fileId/parts: which parts are there; POST: record."""

from lib.domain.models import PartsQuery, RecordParts
from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.GET_UPLOADED_PARTS)
def query(api: Application, call: Call[PartsQuery]) -> Response:
    """200 with the parts, the missing ones, and their URLs if asked."""
    return Response(200, api.parts.get_uploaded_parts(call.user_id, call.session_id, call.file_id, call.body))


@app.on(routes.STORE_PART_ETAGS)
def record(api: Application, call: Call[RecordParts]) -> Response:
    """200 with the parts as recorded."""
    return Response(200, api.parts.store_part_etags(call.user_id, call.session_id, call.file_id, call.body))
