<?php
// As calls.py, with PHP's extension xmlrpc, which has no nil to send.

function plain(mixed $value): mixed
{
    if (is_array($value)) {
        return array_map('plain', $value);
    }
    if (is_object($value) && $value->xmlrpc_type === 'datetime') {
        return ['date' => $value->scalar];
    }
    return $value;
}

$results = [];
foreach (json_decode(file_get_contents('php://stdin')) as [$method, $params]) {
    $http = [
        'method' => 'POST',
        'header' => 'Content-Type: text/xml',
        'content' => xmlrpc_encode_request($method, $params, ['encoding' => 'UTF-8', 'escaping' => 'markup']),
    ];
    $text = file_get_contents($argv[1], false, stream_context_create(['http' => $http]));
    $answer = xmlrpc_decode($text, 'UTF-8');
    $results[] = is_array($answer) && xmlrpc_is_fault($answer)
        ? ['fault' => [$answer['faultCode'], $answer['faultString']]]
        : ['answer' => plain($answer)];
}
echo json_encode($results);
