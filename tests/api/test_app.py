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
