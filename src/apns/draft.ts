/** A notification on its way: one template for all its receivers, made again only where the app's topic has changed. */
import { hash } from 'node:crypto';
import type { CheckedNotification } from '../notification/check.js';
import { type Template, template } from './request.js';

export class Draft {
  readonly #notification: CheckedNotification;
  #payloadHash: string | undefined;
  #made: { topic: string; template: Template } | undefined;

  constructor(notification: CheckedNotification) {
    this.#notification = notification;
  }

  /** Equal for equal payloads. */
  get payloadHash(): string {
    this.#payloadHash ??= hash('sha1', this.#notification.body, 'base64');
    return this.#payloadHash;
  }

  /** @param topic the app's, at the moment at which a request is made */
  for(topic: string): Template {
    if (this.#made?.topic !== topic) {
      this.#made = { topic, template: template(this.#notification, topic) };
    }
    return this.#made.template;
  }
}
