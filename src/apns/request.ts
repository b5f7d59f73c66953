/** A notification on its way: the request that it becomes for each receiver. Source: Apple, "Sending notification requests to APNs". */
import type { CheckedNotification } from '../notification/check.js';
import { rulesOf } from '../notification/push-type.js';
import type { ApnsRequest } from './sender.js';

export class RequestTemplate {
  readonly #notification: CheckedNotification;
  /** What its receivers share, while the app's topic stays. */
  #headers: ApnsRequest['headers'] = [];
  #topic: string | undefined;
  readonly #collapse: boolean;

  constructor(notification: CheckedNotification) {
    const { pushType, collapseId } = notification;
    this.#notification = notification;
    // Should an answer be lost, Apple gets an alert twice; what makes no sight or sound needs no collapsing.
    this.#collapse = pushType === 'alert' && collapseId === undefined;
  }

  /**
   * @param token and id checked ones
   * @param topic the app's, at the moment at which the request is made
   */
  requestTo(token: string, id: string, topic: string): ApnsRequest {
    if (this.#topic !== topic) {
      this.#headers = headersOf(this.#notification, topic);
      this.#topic = topic;
    }
    return {
      method: 'POST',
      path: `/3/device/${token}`,
      headers: this.#headers,
      id,
      collapse: this.#collapse,
      body: this.#notification.body,
    };
  }
}

function headersOf(notification: CheckedNotification, topic: string): string[] {
  const { pushType, priority, expiration, collapseId } = notification;
  const ofApp = topic + rulesOf(pushType).topicSuffix;
  const named = notification.topic ?? ofApp;
  // Made whole: an array that grows takes room for many more.
  const headers =
    priority === undefined
      ? ['apns-topic', named, 'apns-push-type', pushType]
      : ['apns-topic', named, 'apns-push-type', pushType, 'apns-priority', String(priority)];
  if (expiration !== undefined) headers.push('apns-expiration', `${Math.floor(expiration)}`);
  if (typeof collapseId === 'string') {
    // A header's value is bytes, one a character.
    headers.push('apns-collapse-id', Buffer.from(collapseId).toString('latin1'));
  }
  return headers;
}
