# Names that no line of ours mentions and that are used all the same, a reason each; read by
# `make check` (tests/dead_code.py). A name that nothing uses does not belong here: remove it.

_.pytest_configure  # pytest calls its hooks by name
_.pytest_unconfigure  # the same
_.list_commands  # rich-click asks a group for its commands
_.get_command  # the same
_.obj  # click hands this to commands
_.ctx  # click passes it by position
_.traceback  # the protocol of a context manager
_.media_type  # litestar reads it from the response class
_.render  # litestar calls it on OpenAPI plugins
_.instance  # problem details name the request that went wrong
_.__annotations__  # litestar reads a handler's parameters from here
_.request_body  # litestar reads an operation's description from here
_.prepare_threshold  # psycopg's switch for prepared statements
_.extra_groups  # an argument of subprocess.Popen
_.__call__  # what a protocol of functions declares
_.may_sign_out  # the page's template asks
_._on_time  # the network's story names what becomes of a week, and looks it up
_._late  # the same
_._nil  # the same
_._refused_at_gate  # the same
_.pytestmark  # pytest reads it
_.should_exit  # uvicorn's switch
_.follow_redirects  # an attribute of httpx's client
_.sql_create_statements  # the event sourcing library's recorders are told their tables so
_.topics  # the same library reads which events a projection wants
_.process_event  # and calls it with each
_.teardown  # Hypothesis ends every example of a state machine with it
