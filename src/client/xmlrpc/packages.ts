/**
 * The packages that calls need, and the parts of Node that take as long: loaded at the first call, since an app's start
 * is not to wait for them. All at once: an outage may come with files gone, or none left to open. In the build they stand
 * in the client's own file, but for `debug`, so that there is no file to open: Node keeps the failure of an import for good.
 */

import { loadDebug } from '../../debug.js';
import { PlainJson } from '../../rpc/json.js';

export type Loaded = Awaited<ReturnType<typeof load>>;

let loading: Promise<Loaded> | undefined;

export function packages(): Promise<Loaded> {
  loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load() {
  const [{ default: serializer }, { default: CustomType }, { default: pRetry }, http, https] =
    await Promise.all([
      import('xmlrpc/lib/serializer.js'),
      import('xmlrpc/lib/customtype.js'),
      import('p-retry'),
      import('node:http'),
      import('node:https'),
      loadDebug(),
    ]);
  /** Written as it is: the package would look through it six times. */
  class RawText extends CustomType {
    override serialize(xml: { ele(name: string): { raw(text: string): unknown } }): unknown {
      return xml.ele('string').raw(this.raw);
    }
  }
  /** The XML of a call. @throws what the package's serializer throws */
  const writeCall = (method: string, params: unknown[]) => {
    const values = params.map((param) =>
      param instanceof PlainJson ? new RawText(param.text) : param,
    );
    return serializer.serializeMethodCall(method, values);
  };
  return { writeCall, pRetry, http, https };
}
