"""Which tests need a server that is no Python package."""

from support.servers import wanted

collect_ignore = [] if wanted("nginx") else ["test_migration_urls_nginx.py"]
collect_ignore += [] if wanted("postgresql") else ["test_serve_kill9_nodes.py"]
