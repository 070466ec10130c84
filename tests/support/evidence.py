"""A page of evidence: real requests, responses and rows, with placeholders for what differs between runs."""

import json
import re
from datetime import UTC, datetime

from tests.support.client import SESSIONS, put

LABELS = {"sessionId": "session", "fileId": "file", "uploadId": "upload", "requestId": "request"}
WIDTH = 105


class Placeholders:
    """Replaces what differs from run to run, each id by the same name wherever it stands."""

    def __init__(self, env):
        self._names = {
            env["API_URL"]: "http://localhost:3000",
            env["S3_ENDPOINT_URL"]: "http://localhost:8333",
        }
        self._counts = dict.fromkeys(LABELS.values(), 0)

    def learn(self, value):
        """Name the ids of a response."""
        if isinstance(value, list):
            for item in value:
                self.learn(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                label = LABELS.get(key)
                if label and item and item not in self._names:
                    self._counts[label] += 1
                    self._names[item] = f"{{{label}-{self._counts[label]}}}"
                self.learn(item)

    def keep(self, *ids):
        """These are the same in every run."""
        self._names |= {id_: id_ for id_ in ids}

    def __call__(self, shown):
        for value, name in self._names.items():
            shown = shown.replace(value, name)
        shown = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lambda match: _relative(match[0]), shown)
        shown = re.sub(r"(?<=\}-)[0-9a-f]{8}(?=\.\w)", "{attempt}", shown)  # in an object key
        shown = re.sub(r"X-Amz-Date=\w+", "X-Amz-Date={now}", shown)
        shown = re.sub(r"X-Amz-Expires=\d\d?(?=&)", "X-Amz-Expires={seconds}", shown)
        return re.sub(r"X-Amz-(Credential|Signature)=[^&\s\"]+", r"X-Amz-\1={redacted}", shown)


def _relative(moment):
    seconds = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    if seconds < 1:
        return "{now}"
    return f"{{now + {round(seconds / 60)} min}}" if seconds > 55 else "{now + seconds}"


class Page:
    """The page as it grows, and the means to ask."""

    def __init__(self, env, http, db):
        self.shown = Placeholders(env)
        self._http, self._db, self._blocks = http, db, []

    def say(self, *blocks):
        self._blocks += [block.strip("\n") for block in blocks]

    def fence(self, language, content):
        self.say(f"```{language}\n{self.shown(content)}\n```")

    def call(self, method, path, body=None):
        """Ask the API, and show request and response."""
        path = path if path.startswith("/api") else SESSIONS + path
        response = self._http.request(method, path, json=body)
        answer = response.json()
        self.shown.learn(answer)
        self._exchange(f"{method} {path}", "" if body is None else compact(body), response, compact(answer))
        return answer

    def put(self, entry, content):
        """PUT a part with nothing but its presigned URL, and show it without the bytes; the ETag."""
        response = put(entry["url"], content, entry["headers"])
        answer = "".join(re.findall(r"<Code>.*?</Code>|<Message>.*?</Message>", response.text))
        if "ETag" in response.headers:
            answer = f"ETag: {response.headers['ETag']}"
        headers = "\n".join(f"{name}: {value}" for name, value in entry["headers"].items())
        self._exchange(f"PUT {entry['url']}\n{headers}", f"({len(content)} bytes)", response, answer)
        return response.headers.get("ETag")

    def rows(self, sql, *parameters):
        """Ask the database, and show the query and its rows."""
        rows = self._db.execute(sql, parameters).fetchall()
        lines = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
        shown = [[self.shown(cell) for cell in line] for line in lines]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        padded = [" | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in shown]
        padded.insert(1, "-+-".join("-" * width for width in widths))
        query = sql.strip() % tuple(f"'{parameter}'" for parameter in parameters)
        self.fence("sql", query + ";\n\n" + "\n".join(line.rstrip() for line in padded))

    def _exchange(self, request, body, response, answer):
        status = f"HTTP {response.status_code} {response.reason_phrase}"
        self.fence("http", "\n".join(filter(None, [request, body])) + "\n\n" + f"{status}\n{answer}".strip())

    def write(self, path):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n\n".join(self._blocks) + "\n")


def compact(value):
    """JSON whose small objects and lists stand on one line."""
    shown = json.dumps(value, indent=2, ensure_ascii=False)

    def joined(match):
        line = re.sub(r"\s*\n\s*", " ", match[0])
        return line if len(line) <= WIDTH else match[0]

    for pattern in (r"[{\[]\n[^{}\[\]]*\n\s*[}\]]", r"\{\n[^{}]*\{[^{}\n]*\}\n\s*\}"):
        shown = re.sub(pattern, joined, shown)
    return shown


def _cell(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if value is None else str(value)
