/** The methods by which XML-RPC's clients learn of the others, and make several calls in one. */
import { InvalidArgumentError, OverloadedError } from '../../errors.js';
import { Fault, faultOf, NO_SUCH_METHOD } from '../../rpc/faults.js';
import type { Value, Writable, Written } from '../../rpc/xml.js';
import { type CallContext, loggedFault, type Method } from './method.js';
import { asText, parameters, show } from './parameters.js';

type Methods = ReadonlyMap<string, Method>;

const multicallName = 'system.multicall';
/** Each brings an answer; what has to be faster goes in lists. */
export const maxCalls = 1000;
/** They change nothing that the others could see, and each waits for Apple. */
const together = new Set(['notify', 'apnsd.send']);
/** After so long other work has its turn. */
const stretchMs = 5;
const noRoomForResult =
  'the answers that wait to be taken leave no room for this result: call again, by itself';

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

async function multicall(
  methods: Methods,
  params: Value[],
  context: CallContext,
): Promise<Written[]> {
  const [calls] = parameters(params, ['calls']);
  if (!Array.isArray(calls) || calls.length > maxCalls) {
    const found = Array.isArray(calls) ? `a list of ${calls.length}` : show(calls);
    throw new InvalidArgumentError(`calls is ${found}, expected a list of up to ${maxCalls}`);
  }
  const { answer } = context;
  const noRoom = await answer.part(structOf(faultOf(new OverloadedError(noRoomForResult))));
  // Before anything is done: whatever happens, each then has room for nil, or for being told that there is no more.
  answer.reserve(noRoom.bytes * calls.length);
  const results: Promise<Written>[] = [];
  const run = { noRoom, full: false };
  const beside: Promise<Written>[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const call of calls) {
    const { methodName, params } = Object(call) as { [name: string]: Value | undefined };
    const waits = !(typeof methodName === 'string' && together.has(methodName));
    if (waits) await Promise.all(beside.splice(0));
    if (performance.now() >= end) {
      await answer.turn();
      end = performance.now() + stretchMs;
    }
    const result = member(methods, methodName, params, context, run);
    results.push(result);
    if (waits) await result;
    else beside.push(result);
  }
  return Promise.all(results);
}

interface MulticallRun {
  /** In the place of a result, from the first that finds no room. */
  noRoom: Written;
  full: boolean;
}

/** The result in a list of its own, as the convention has it, or its fault; never rejects. */
async function member(
  methods: Methods,
  methodName: Value | undefined,
  params: Value | undefined,
  context: CallContext,
  run: MulticallRun,
): Promise<Written> {
  const { answer, draining, log } = context;
  const { noRoom } = run;
  // Not made in vain, one after the other.
  if (run.full) return noRoom;
  const part = async (value: Writable) => {
    try {
      return await answer.part(value, noRoom.bytes);
    } catch (error) {
      run.full ||= error instanceof OverloadedError;
      throw error;
    }
  };
  const undo: (() => void)[] = [];
  try {
    if (draining.aborted) throw new OverloadedError('the daemon is shutting down');
    const name = asText('methodName', methodName);
    if (name === multicallName) {
      throw new InvalidArgumentError(`${multicallName} may not be called in ${multicallName}`);
    }
    if (!Array.isArray(params)) {
      throw new InvalidArgumentError(`params is ${show(params)}, expected a list`);
    }
    const whenLost = (what: () => void) => undo.push(what);
    const result = await methodNamed(methods, name).run(params, { ...context, whenLost });
    const written = await part([result]);
    for (const each of undo) context.whenLost(each);
    return written;
  } catch (error) {
    for (const each of undo) each();
    const fault = structOf(loggedFault(error, log));
    return part(fault).catch(() => noRoom);
  }
}

function structOf({ faultCode, message: faultString }: Fault): Value {
  return { faultCode, faultString };
}
