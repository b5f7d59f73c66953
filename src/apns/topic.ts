/** What a topic may look like. */

const bundleId = /^[A-Za-z0-9.-]{1,255}$/;

/** Why it can't be one: empty where nothing is wrong. What is no topic is not shown, it may be a key. */
export function wrongTopic(topic: string): string[] {
  return bundleId.test(topic) ? [] : ['topic is not of letters, digits, dots and hyphens'];
}
