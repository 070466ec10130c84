"""GET /api/openapi.json: this API's contract, made from its models."""

from lib.http import routes
from lib.http.endpoint import Call, Endpoint, Response
from lib.http.openapi import document_at
from lib.wiring import Application, get_application

app = Endpoint(get_application)


@app.on(routes.GET_OPENAPI)
def show(api: Application, _: Call[None]) -> Response:
    """200 with the document, what may be uploaded under these settings, and whether a token is asked for."""
    open_to_all: dict[str, object] = {"security": []} if api.settings.auth_bypass else {}
    mine = open_to_all | {"x-upload-policy": api.policy.as_document()}
    return Response(200, document_at(api.settings.own_url) | mine)
