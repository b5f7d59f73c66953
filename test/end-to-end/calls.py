"""Makes the calls that standard input lists as JSON, [[method, [params]], ...], with Python's own XML-RPC client, and
prints what each gave: {"answer": ...} or {"fault": [code, text]}."""

import json
import sys
import xmlrpc.client


def plain(value):
    """JSON has no dates: {"date": text} stands for one."""
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, xmlrpc.client.DateTime):
        return {"date": str(value)}
    return value


daemon = xmlrpc.client.ServerProxy(sys.argv[1], allow_none=True)
results = []
for method, params in json.load(sys.stdin):
    try:
        results.append({"answer": plain(getattr(daemon, method)(*params))})
    except xmlrpc.client.Fault as fault:
        results.append({"fault": [fault.faultCode, fault.faultString]})
json.dump(results, sys.stdout)
