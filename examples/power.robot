*** Settings ***
Documentation     A prepaid home loses its power, its gas meter its place on the HAN.
...               Run it with: robot --outputdir results examples/power.robot
Library           rigs.robot.Smets1    folder=${OUTPUT DIR}
Suite Setup       Start Rig    ${CURDIR}/robot.toml
Suite Teardown    Stop Rig

*** Test Cases ***
A Power Cut Ends By Itself
    ${cut} =    Power Off    home    seconds=90
    Length Should Be    ${cut}    2
    ${display} =    Display    electricity
    Should Be Empty    ${display}
    Advance Clock    3 minutes
    ${power} =    Power    electricity
    Should Be Equal    ${power}[power]    on
    Should Be Equal As Integers    ${power}[failures]    1
    ${event} =    Wait For Event    power_up    device=home/electricity
    Should Be Equal As Integers    ${{ $event['at'] - 1767225600000000000 }}    90000000000

What Is Drawn Is Paid For
    ${before} =    Device    electricity
    ${load} =    Draw Constant Load    electricity    10000
    Should Be Equal As Numbers    ${load}[rate]    10000
    Advance Clock    2h
    ${after} =    Device    electricity
    Should Be True    ${after}[balance] < ${before}[balance]
    Draw Constant Load    electricity    0

A Wrong Token Is Refused
    ${answer} =    Top Up    electricity    1234 5678 9012 3456 7890
    Should Not Be Equal    ${answer}[outcome]    accepted
    ${metrics} =    Metrics
    Should Contain    ${metrics}    smets1_tokens_total{device="home/electricity"

A Fault Has An Id That Events Carry
    ${id} =    Start Fault    device-without-entry    gas
    ${fault} =    Fault    ${id}
    Should Be Equal    ${fault}[state]    active
    End Fault    ${id}
    ${events} =    Events    fault=${id}
    Length Should Be    ${events}    2

A Fault Waits For Its Time
    ${id} =    Start Fault    device-without-entry    gas    every_seconds=3600    seconds=60    times=2
    Advance Clock    2 hours
    ${fault} =    Fault    ${id}
    Should Be Equal    ${fault}[state]    ended
    Should Be Equal As Integers    ${fault}[occurrences]    2
    ${id} =    Start Fault    device-without-entry    gas    when=time 03:00
    ${fault} =    Fault    ${id}
    Should Be Equal    ${fault}[waits_for]    its clock to show 03:00
    End Fault    ${id}
    ${values} =    Create Dictionary    seconds=${3}
    ${id} =    Start Fault    clock-jumps    electricity    values=${values}
    ${fault} =    Fault    ${id}
    Should Be Equal As Integers    ${fault}[parameters][seconds]    3
    ${conditions} =    Fault Conditions
    Should Be Equal    ${conditions}[0][form]    frame N

What Is Not There Is Told In One Line
    Run Keyword And Expect Error    *home/ihd: no such device; there are hub, electricity, gas    Power    home/ihd
