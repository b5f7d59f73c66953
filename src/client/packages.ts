/**
 * The packages that calls need, and the parts of Node that take as long: loaded at the first call, since an app's start
 * is not to wait for them. All at once: an outage may come with files gone, or none left to open.
 */
import { loadDebug } from './debug.js';

export type Loaded = Awaited<ReturnType<typeof load>>;

let loading: Promise<Loaded> | undefined;

export function packages(): Promise<Loaded> {
  loading ??= load();
  return loading;
}

async function load() {
  const [xmlrpc, pRetry, http, https] = await Promise.all([
    import('xmlrpc'),
    import('p-retry'),
    import('node:http'),
    import('node:https'),
    loadDebug(),
  ]);
  /** Written as it is: the package would look through it six times. */
  class RawText extends xmlrpc.default.CustomType {
    override serialize(xml: { ele(name: string): { raw(text: string): unknown } }): unknown {
      return xml.ele('string').raw(this.raw);
    }
  }
  return { xmlrpc: xmlrpc.default, RawText, pRetry: pRetry.default, http, https };
}
