"""Makes the calls that standard input lists as JSON, [[method, [params]], ...], with Python's own XML-RPC client, and
prints what each gave: {"answer": ...} or {"fault": [code, text]}. "MultiCall" is a list of calls in one."""

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


def result_of(call):
    try:
        return {"answer": plain(call())}
    except xmlrpc.client.Fault as fault:
        return {"fault": [fault.faultCode, fault.faultString]}


def multicall(calls):
    batch = xmlrpc.client.MultiCall(daemon)
    for method, params in calls:
        getattr(batch, method)(*params)
    answers = batch()
    return [result_of(lambda: answers[position]) for position in range(len(calls))]


daemon = xmlrpc.client.ServerProxy(sys.argv[1], allow_none=True)
results = []
for method, params in json.load(sys.stdin):
    if method == "MultiCall":
        results.append(result_of(lambda: multicall(params)))
    else:
        results.append(result_of(lambda: getattr(daemon, method)(*params)))
json.dump(results, sys.stdout)
