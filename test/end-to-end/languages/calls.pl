# As calls.py, with Perl's RPC::XML, which takes whatever looks like a number for one.

use strict;
use warnings;
use JSON::PP;
use RPC::XML;
use RPC::XML::Client;

$RPC::XML::ENCODING  = 'utf-8';
$RPC::XML::ALLOW_NIL = 1;

sub typed {
    my ($value) = @_;
    return RPC::XML::boolean->new( $value ? 1 : 0 ) if JSON::PP::is_bool($value);
    return [ map { typed($_) } @$value ] if ref $value eq 'ARRAY';
    return { map { $_ => typed( $value->{$_} ) } keys %$value } if ref $value eq 'HASH';
    return $value;
}

sub plain {
    my ($value) = @_;
    return [ map { plain($_) } @$value ] if $value->isa('RPC::XML::array');
    return { date => $value->value } if $value->isa('RPC::XML::datetime_iso8601');
    return $value->value;
}

my $daemon = RPC::XML::Client->new( $ARGV[0] );
my @results;
for my $call ( @{ decode_json( do { local $/; <STDIN> } ) } ) {
    my ( $method, $params ) = @$call;
    my $answer = $daemon->send_request( $method, map { typed($_) } @$params );
    die $answer if !ref $answer;
    push @results,
      $answer->is_fault
      ? { fault => [ 0 + $answer->code, $answer->string ] }
      : { answer => plain($answer) };
}
print encode_json( \@results );
