"""GET /api/openapi.json: this API's contract, made from its models."""

from lib.http.endpoint import Call, Endpoint, Response
from lib.http.openapi import document
from lib.wiring import Application, get_application

app = Endpoint("/api/openapi.json", get_application, public=True)


@app.on("GET")
def show(app: Application, _: Call[None]) -> Response:
    """200 with the document, and with what may be uploaded under these settings."""
    return Response(200, document() | {"x-upload-policy": app.policy.as_document()})
