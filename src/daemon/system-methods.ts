/** The methods by which XML-RPC's clients learn of the others, and make several calls in one. */
import { InvalidArgumentError } from '../errors.js';
import { Fault, NO_SUCH_METHOD } from '../rpc/faults.js';
import type { Value } from '../rpc/xml.js';
import { type CallContext, loggedFault, type Method } from './method.js';
import { asText, parameters, show } from './parameters.js';

type Methods = ReadonlyMap<string, Method>;

const multicallName = 'system.multicall';
/** Each brings an answer; what has to be faster goes in lists. */
const maxCalls = 1000;
/** They change nothing that the others could see, and each waits for Apple. */
const together = new Set(['notify', 'apnsd.send']);

/** @param methods all there are, these included */
export function systemMethods(methods: Methods): [name: string, method: Method][] {
  return [
    [
      'system.listMethods',
      {
        run: () => [...methods.keys()].sort(),
        signatures: [['array']],
        help: 'The names of all methods.',
      },
    ],
    [
      'system.methodSignature',
      {
        run: (params) => described(methods, params).signatures,
        signatures: [['array', 'string']],
        help: "The ways to call a method: for each, the types of its result and of its parameters. Takes the method's name.",
      },
    ],
    [
      'system.methodHelp',
      {
        run: (params) => described(methods, params).help,
        signatures: [['string', 'string']],
        help: "What a method does. Takes the method's name.",
      },
    ],
    [
      multicallName,
      {
        run: (params, context) => multicall(methods, params, context),
        signatures: [['array', 'array']],
        help: `Makes up to ${maxCalls} calls in order; neighbouring notify and apnsd.send run together. Takes a list of structs with methodName and params; the result has for each a list of its result, or a struct of faultCode and faultString.`,
      },
    ],
  ];
}

/** @throws Fault */
export function methodNamed(methods: Methods, name: string): Method {
  const method = methods.get(name);
  if (method) return method;
  throw new Fault(NO_SUCH_METHOD, `there is no method ${show(name)}, see system.listMethods`);
}

function described(methods: Methods, params: Value[]): Method {
  const [name] = parameters(params, ['methodName']);
  return methodNamed(methods, asText('methodName', name));
}

async function multicall(methods: Methods, params: Value[], context: CallContext): Promise<Value> {
  const [calls] = parameters(params, ['calls']);
  if (!Array.isArray(calls) || calls.length > maxCalls) {
    const found = Array.isArray(calls) ? `a list of ${calls.length}` : show(calls);
    throw new InvalidArgumentError(`calls is ${found}, expected a list of up to ${maxCalls}`);
  }
  const results: Promise<Value>[] = [];
  for (const call of calls) {
    const { methodName, params } = Object(call) as { [name: string]: Value | undefined };
    const waits = !(typeof methodName === 'string' && together.has(methodName));
    if (waits) await Promise.all(results);
    const result = member(methods, methodName, params, context);
    results.push(result);
    if (waits) await result;
  }
  return Promise.all(results);
}

/** The result in a list of its own, as the convention has it, or its fault. */
async function member(
  methods: Methods,
  methodName: Value | undefined,
  params: Value | undefined,
  context: CallContext,
): Promise<Value> {
  try {
    const name = asText('methodName', methodName);
    if (name === multicallName) {
      throw new InvalidArgumentError(`${multicallName} may not be called in ${multicallName}`);
    }
    if (!Array.isArray(params)) {
      throw new InvalidArgumentError(`params is ${show(params)}, expected a list`);
    }
    return [await methodNamed(methods, name).run(params, context)];
  } catch (error) {
    const { faultCode, message: faultString } = loggedFault(error, context.log);
    return { faultCode, faultString };
  }
}
