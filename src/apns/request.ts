/** Turns a checked notification into Apple's request. Source: Apple, "Sending notification requests to APNs". */
import type { CheckedNotification } from '../notification/check.js';
import { rulesOf } from '../notification/push-type.js';
import type { ApnsRequest } from './sender.js';

/** A notification in the form that its receivers share. */
export interface Template {
  headers: ApnsRequest['headers'];
  body: string;
  collapse: boolean;
}

/** @param topic the app's, where the author named none */
export function template(notification: CheckedNotification, topic: string): Template {
  const { pushType, priority, expiration, collapseId } = notification;
  const headers: [string, string][] = [
    ['apns-topic', notification.topic ?? topic + rulesOf(pushType).topicSuffix],
    ['apns-push-type', pushType],
  ];
  if (priority !== undefined) headers.push(['apns-priority', String(priority)]);
  if (expiration !== undefined) headers.push(['apns-expiration', `${Math.floor(expiration)}`]);
  if (typeof collapseId === 'string') {
    // A header's value is bytes, one a character.
    headers.push(['apns-collapse-id', Buffer.from(collapseId).toString('latin1')]);
  }
  // Should an answer be lost, Apple gets an alert twice; what makes no sight or sound needs no collapsing.
  const collapse = pushType === 'alert' && collapseId === undefined;
  return { headers, body: notification.body, collapse };
}

/** @param token and id checked ones */
export function requestTo(
  token: string,
  id: string,
  { headers, body, collapse }: Template,
): ApnsRequest {
  return { method: 'POST', path: `/3/device/${token}`, headers, id, collapse, body };
}
