"""The application's OpenAPI document, as a running service gives it: what bodies may say, and nothing that nobody sends."""


def test_a_destination_may_say_what_it_speaks(api):
    """``dst_node.cloud_type`` is there for tasks and groups, with the words that are taken."""
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    property_ = schemas["DestinationNode"]["properties"]["cloud_type"]
    (words,) = [entry["enum"] for entry in property_["anyOf"] if "enum" in entry]
    assert words == ["HEC", "HuaweiCloud", "AWS"]


def test_the_clients_name_is_no_parameter(api):
    """That a stop looks at the User-Agent is no part of the call: the document shows no such parameter."""
    paths = api.get("/openapi.json").json()["paths"]
    shown = {part["name"] for path in paths.values() for call in path.values() for part in call.get("parameters", ())}
    assert "User-Agent" not in shown
    assert "limit" in shown


def test_only_answers_that_are_sent(api):
    """The document has no 422, which the framework would state of itself; 404 stands where it is sent."""
    document = api.get("/openapi.json").json()
    answers = {
        (path, code)
        for path, calls in document["paths"].items()
        for call in calls.values()
        for code in call["responses"]
    }
    assert not [path for path, code in answers if code == "422"]
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])
    found = {path for path, code in answers if code == "404"}
    for kind, name in (("taskgroups", "group_id"), ("sync-tasks", "sync_task_id")):
        path = f"/v2/{{project_id}}/{kind}/{{{name}}}"
        assert path in found
        assert api.get(path.format(project_id=api.project, **{name: "none"})).status_code == 404
    assert "/v2/{project_id}/tasks/{task_id}" not in found
    assert api.get(f"/v2/{api.project}/tasks/1").status_code == 400


def test_the_routes_of_operation(api):
    """Whether the process lives, and whether it can serve, are stated as calls that need no credentials."""
    paths = api.get("/openapi.json").json()["paths"]
    for path in ("/healthz", "/readyz"):
        assert paths[path]["get"]["security"] == []
        assert api.get(path).status_code == 200
    assert "503" in paths["/readyz"]["get"]["responses"]


def test_the_range_of_a_state(api):
    """A state that is none is refused with the numbers that this very call takes, as each kind has others."""
    base = f"/v2/{api.project}"
    for path, text in ((f"{base}/tasks?status=8", "from 1 to 7"), (f"{base}/taskgroups?status=10", "from 0 to 9"),
                       (f"/v1/{api.project}/objectstorage/task?state=6", "from 0 to 5"),
                       (f"{base}/tasks?status=x", "from 1 to 7")):  # fmt: skip
        reply = api.get(path)
        assert (reply.status_code, reply.json()["error_code"][-4:]) == (400, "0052")
        assert text in reply.json()["error_msg"]
