"""Sends with aioapns, as Debian has it, and prints status and reason of each answer as JSON."""

import asyncio
import json
import os
import ssl

from aioapns import APNs, NotificationRequest, PushType


async def main():
    env = os.environ
    sender = APNs(
        key=env["KEY_FILE"],
        key_id=env["KEY_ID"],
        team_id=env["TEAM_ID"],
        topic=env["TOPIC"],
        ssl_context=ssl.create_default_context(cafile=env["CA_FILE"]),
    )
    # The package knows Apple's addresses only.
    sender.pool.protocol_class.APNS_SERVER = env["HOST"]
    sender.pool.protocol_class.APNS_PORT = int(env["PORT"])
    answers = []
    for device, notification_id in json.loads(env["PUSHES"]):
        request = NotificationRequest(
            device_token=device,
            message={"aps": {"alert": "Hello", "badge": 3}},
            notification_id=notification_id,
            push_type=PushType.ALERT,
        )
        # It waits for an answer as long as it takes.
        answer = await asyncio.wait_for(sender.send_notification(request), 20)
        answers.append([answer.status, answer.description])
    sender.pool.close()
    print(json.dumps(answers))


asyncio.run(main())
